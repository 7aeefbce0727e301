# Gatehouse. `make demo` and `make test` do everything from nothing; they need Python ≥ 3.11, make and git.

fetched := $(CURDIR)/.local/uv/bin/uv
export UV := $(or $(shell command -v uv),$(fetched))
run := $(UV) run --frozen
sam := $(run) python -m ops.tools sam
export := $(UV) export --quiet --frozen --no-dev --no-emit-project --no-header
tools := $(wildcard ops/requirements/*.in)
pinned := $(UV) pip compile --quiet --generate-hashes --universal --python-version 3.13 --only-binary :all: \
	--no-emit-index-url --no-annotate --no-header
image := gatehouse-listener
digest := .local/pushed-image
ecr := ^[0-9]+[.]dkr[.]ecr[.][a-z0-9-]+[.]amazonaws[.]com([.]cn)?/[^: ]+:[^:/ ]+$$
measured := .local/coverage
needed = @command -v $(1) >/dev/null || { echo '$(1) is needed for this, and is not on the PATH'; exit 1; }

# Parts that compute step aside for those that wait for a clock; what a part says comes when it is over, and in one piece.
aside := nice -n 19
units := tests/unit tests/models
pytest = MAKEFLAGS= $(1) $(run) pytest -q --durations=10
parts := $(MAKE) --no-print-directory --keep-going --jobs=4 $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)
side-by-side = @began=$$(date +%s); $(parts) $(1); code=$$?; \
	echo "make $@: $$(test $$code -eq 0 && echo passed || echo FAILED), $$(($$(date +%s) - began)) s"; exit $$code

.DEFAULT_GOAL := help
.PHONY: help demo up test check lint types template unit faults contract e2e synced prepared storm odd-forms bench coverage build deploy preflight prove-aws budget cost image push-image requirements pins

help: ## what there is
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: $(UV) ## the whole thing on this machine, with simulated vendors; in a script it ends by itself
	@$(run) gatehouse up --simulate --watch $$(test -t 1 || echo --until-seen)

up: $(UV) ## the same without simulated vendors
	@$(run) gatehouse up

test: ## everything, the parts side by side
	$(call side-by-side,e2e faults unit template contract types lint)

# The same tests with fewer cases, and without the schedules, the copied vendor, what waits and what needs SAM.
check: export HOSTILE := 0.05
check: export PUSHES := 1000
check: ## what a developer runs before a commit, under two minutes
	$(call side-by-side,unit contract types lint units=tests/unit contracts="--ignore tests/contract/test_new_vendor.py")

lint: synced ## style, and who imports whom
	$(run) ruff format --check .
	$(run) ruff check .
	$(run) lint-imports --no-logo

types: synced ## types
	$(aside) $(run) mypy

template: prepared ## what can be known of the template without an account
	$(aside) $(sam) validate --lint
	$(call pytest,$(aside)) tests/template

unit: synced ## each part, and every schedule of faults up to a number
	$(call pytest,$(aside)) $(units) --numprocesses 2 --dist loadscope

faults: synced ## what happens when a part dies, freezes or does not answer
	$(call pytest) tests/faults -m "not storm"

contract: synced ## what every vendor has to keep
	$(call pytest,$(aside)) tests/contract $(contracts)

e2e: prepared ## the deployed template, from HTTP to a subscriber's queue
	$(call pytest) tests/e2e --numprocesses 4 --dist loadscope --no-loadscope-reorder

synced: $(UV)
	@$(UV) sync --quiet --frozen

# The tools and the build that several parts need are made before those begin.
prepared: synced
	@mkdir -p .local
	@$(run) python -m ops.build .local/build.log

storm: $(UV) ## two long nights, ten minutes and more; the last figures are in docs/bench.md
	RINGS=500 $(run) pytest tests/e2e/test_eye4_recordings_storm.py
	$(run) pytest tests/faults -m storm

odd-forms: $(UV) ## 50,000 pushes of all vendors in mixed odd forms, some minutes; the last figures are in docs/bench.md
	PUSHES=50000 $(run) pytest tests/contract/test_mixed.py -s

bench: $(UV) ## memory, a cold and a warm door, and a picture's processor time; the last figures are in docs/bench.md
	$(run) pytest tests/bench -s

coverage: $(UV) ## lines of product code that unit, contract and fault tests do not reach; docs/coverage.md says why
	rm -rf $(measured) && mkdir -p $(measured)
	$(run) coverage run -m pytest -q tests/unit tests/contract tests/faults -m "not storm"
	$(run) coverage combine --quiet
	$(run) coverage report

build: $(UV) ## for AWS, into .aws-sam
	$(sam) build

deploy: build ## to AWS, with your credentials; settings as ARGS="--parameter-overrides AnnounceMode=stream"
	$(sam) deploy $(ARGS)

preflight: $(UV) ## whether your account can take it, before anything is made in it
	@$(run) gatehouse preflight $(ARGS)

prove-aws: $(UV) ## a throwaway deployment in your account, looked at and deleted again; ARGS=--emulator rehearses it
	@$(run) python -m ops.proof $(ARGS)

budget: $(UV) ## a budget of the account, with your credentials: ARGS="--parameter-overrides MonthlyBudget=50 Email=you@example.com"
	$(sam) deploy --template-file ops/budget.yaml --stack-name gatehouse-budget --region $(or $(BUDGET_REGION),us-east-1) \
		--no-fail-on-empty-changeset $(ARGS)

cost: $(UV) ## docs/cost.md anew, after a change of what is called, stored or logged, or of a price
	$(run) python -m ops.cost docs/cost.md

image: ## SenseLink's listener, for Fargate; needs Docker
	$(call needed,docker)
	docker build --platform linux/arm64 --file functions/senselink/Dockerfile --tag $(or $(IMAGE),$(image)) .

push-image: ## the same, into ECR as IMAGE=ACCOUNT.dkr.ecr.REGION.amazonaws.com/REPOSITORY:TAG; needs Docker and the AWS CLI
	@echo '$(IMAGE)' | grep -qE '$(ecr)' || { echo 'IMAGE is to be ACCOUNT.dkr.ecr.REGION.amazonaws.com/REPOSITORY:TAG'; exit 1; }
	$(call needed,docker)
	$(call needed,aws)
	@$(MAKE) --no-print-directory image
	aws ecr get-login-password --region $(word 4,$(subst ., ,$(IMAGE))) \
		| docker login --username AWS --password-stdin $(firstword $(subst /, ,$(IMAGE)))
	docker push $(IMAGE)
	@mkdir -p $(dir $(digest))
	@docker inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' $(IMAGE) \
		| grep -F '$(firstword $(subst :, ,$(IMAGE)))@sha256:' | tail -n 1 | tee $(digest)
	@test -s $(digest) || { echo 'Docker names no digest of $(IMAGE)'; exit 1; }
	@echo "It is in $(digest). Now: make deploy ARGS=\"--parameter-overrides SenselinkImage=$$(cat $(digest)) …\""

requirements: $(UV) ## the layer's and the image's, from the lock; run it after every change of the lock
	$(export) --no-emit-package websocket-client --output-file layers/gatehouse/requirements.txt
	$(export) --output-file functions/senselink/image-requirements.txt

pins: $(UV) ## uv, SAM and the emulator with all that they pull in, from ops/requirements/*.in; ARGS=--upgrade for newer ones
	@for tool in $(tools:.in=); do $(pinned) $(ARGS) $$tool.in --output-file $$tool.txt || exit; done

# uv makes everything else; from / so that a pyenv without our version does not stand in the way.
$(fetched):
	cd / && python3 -m venv $(CURDIR)/.local/uv
	$(CURDIR)/.local/uv/bin/pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
		--requirement $(CURDIR)/ops/requirements/uv.txt
