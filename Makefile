# make book [SOURCE=cmu]   run every notebook, publish the runs at _build/html/index.html
# make test                unit and property tests, doctests, notebooks against their stored outputs
# make check               layout, lint, types, and that a room imports only from rooms below it
# make video               the extra for videos, and MediaPipe's models; nothing else needs it
# make render              the extras for videos and for rendered people
# make lab                 JupyterLab on the notebooks
# make lock                pin the whole environment anew from requirements.txt
# make clean               remove what was built (not .venv)

SOURCE ?= synthetic
JOBS   ?= $(shell nproc 2>/dev/null || echo 2)
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
            command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' && echo $$p && break; done)

BIN   := .venv/bin
READY := .venv/.installed
BUILD := _build/book$(if $(filter-out synthetic,$(SOURCE)),-$(SOURCE))
SITE  := _build/html
CODE  := stride_nb benchmarks book/tools tests

NOTEBOOKS := $(wildcard notebooks/*.ipynb)
RUNS      := $(NOTEBOOKS:%=$(BUILD)/%)
PACKAGE   := $(shell find stride_nb benchmarks book/tools -type f -not -name '*.pyc')
DATA      := $(shell find data -type f 2>/dev/null)
PAGES     := _config.yml _toc.yml $(shell find book -type f -not -name '*.pyc')

# A notebook is a process: they run side by side, a thread each, so that a result does not depend on the core count.
MAKEFLAGS += --jobs=$(JOBS)
export OMP_NUM_THREADS ?= 1

.PHONY: book test check video render lab lock clean
.DELETE_ON_ERROR:

book: $(SITE)/.$(SOURCE)
	@echo "The book: $(SITE)/index.html"

test: $(READY)
	$(BIN)/python -m pytest -q -n 2 --dist loadfile

check: $(READY)
	$(BIN)/ruff format --check --quiet $(CODE) || { echo "layout: ruff format $(CODE)"; exit 1; }
	$(BIN)/ruff check --quiet $(CODE)
	$(BIN)/lint-imports
	$(BIN)/pyright

video: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -r requirements-video.txt
	$(BIN)/python -c "from stride_nb.video.mediapipe_models import fetch_available; print(*fetch_available(), sep='\n')"

render: video
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -r requirements-render.txt

lab: $(READY)
	$(BIN)/jupyter lab notebooks

lock: $(READY)
	$(BIN)/python -m pip install --quiet uv
	head -n 2 requirements.lock > requirements.lock.new
	$(BIN)/uv pip compile requirements.txt --universal --python-version 3.11 --no-annotate --no-header --quiet \
	  | grep -vE '^(nvidia|cuda|triton)' >> requirements.lock.new
	mv requirements.lock.new requirements.lock

clean:
	rm -rf _build

$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed: install it, or say make PYTHON=/path/to/python"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# One rule a notebook: run again only where the notebook, the code or its data changed.
$(BUILD)/notebooks/%.ipynb: notebooks/%.ipynb $(PACKAGE) $(DATA) $(READY)
	$(BIN)/python -m book.tools.build run $< $@ $(if $(filter-out synthetic,$(SOURCE)),--source $(SOURCE))

$(BUILD)/.built: $(RUNS) $(PAGES) $(PACKAGE) $(DATA) $(READY)
	$(BIN)/python -m book.tools.build build $(BUILD)
	@touch $@

# The published site says by its stamp which source it shows; another source replaces it.
$(SITE)/.$(SOURCE): $(BUILD)/.built
	@rm -rf $(SITE)
	cp -r $(BUILD)/_build/html $(SITE)
	@touch $@
