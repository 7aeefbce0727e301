"""`make prove-aws`: deploys a throwaway stack, proves on it what can be known only there, and deletes everything again.

One module is a part of the proof; `report` says what a step can end as, `site` is the stack as the prover sees it.
"""
