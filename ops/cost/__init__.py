"""What Gatehouse costs on AWS: counted by running the real handlers, priced by a dated table, told in docs/cost.md."""
