# Stage-3. Needs CPython 3.11 or newer, pip and make; everything else is installed below
# .venvs/, from lock files with checked hashes.
#
#   PYTHON=...     the one interpreter to use         PYTHONS="a b"  those to test with
#   ARGS="..."     handed on to pytest, stage3 or the benchmarks
#   UPGRADE=1      let `make lock` move to newer versions

.DEFAULT_GOAL := help
.PHONY: help run test check lock bench bench-peers nightly clean dist
export PYTHON PYTHONS ARGS

TOOL := .ci/python
COMPILE := pip compile -q --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
	$(if $(UPGRADE),--upgrade)

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 21

run: ## install, then run a three-domain plan and show its verified record
	@bin=$$($(TOOL) .ci/environment.py run) && "$$bin/stage3" demo $(ARGS)

test: ## run the suite on every interpreter found
	@$(TOOL) .ci/suite.py

check: ## lint, format, types and import contracts
	@bin=$$($(TOOL) .ci/environment.py dev) || exit 1; failed=; \
	step() { name=$$1; shift; echo "checking $$name"; \
		"$$bin/$$@" || failed="$$failed, $$name"; }; \
	step "lint" ruff check -q .; \
	step "format" ruff format -q --check .; \
	step "types" mypy --no-error-summary; \
	step "types of the tooling" mypy --no-error-summary .ci/suite.py; \
	step "import contracts" lint-imports --no-logo; \
	if [ -n "$$failed" ]; then echo "checks failed: $${failed#, }"; exit 1; fi; \
	echo "checks passed"

lock: ## write the lock files anew from pyproject.toml
	@bin=$$($(TOOL) .ci/environment.py lock) && \
	"$$bin/uv" $(COMPILE) pyproject.toml --extra dev --group build \
		-o .ci/requirements-dev.txt && \
	"$$bin/uv" $(COMPILE) pyproject.toml --group build \
		-c .ci/requirements-dev.txt --no-annotate -o .ci/requirements-run.txt && \
	"$$bin/uv" $(COMPILE) pyproject.toml --extra postgres --extra wasm \
		-c .ci/requirements-dev.txt --no-annotate -o .ci/requirements-image.txt && \
	"$$bin/uv" $(COMPILE) --group lock -o .ci/requirements-lock.txt

bench: ## measure against the raw floor and print the ratios
	@bin=$$($(TOOL) .ci/environment.py dev) && "$$bin/python" -m benchmarks $(ARGS)

bench-peers: ## measure other systems at the same work, each in its own environment
	@bin=$$($(TOOL) .ci/environment.py dev) && \
	"$$bin/python" -m benchmarks.peers $(ARGS)

nightly: ## run the long campaigns that `make test` leaves out
	@$(TOOL) .ci/suite.py --nightly

dist: ## build the wheel and the source archive into dist/
	@bin=$$($(TOOL) .ci/environment.py dev) && \
	"$$bin/python" -m build --no-isolation --outdir dist

clean: ## remove environments, builds and caches
	@rm -rf .venvs .demo dist build htmlcov .coverage* .mypy_cache .ruff_cache \
		.pytest_cache .hypothesis .import_linter_cache
	@find . -path ./.venv -prune -o -name __pycache__ -type d -exec rm -rf {} +
