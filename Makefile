# Sellometer: build with `make`, install with `make install`, test with `make installcheck`.
# `script/test` runs everything (unit, regress, isolation, TAP, S3).

EXTENSION   = sellometer
EXTVERSION  = 1.0
MODULE_big  = sellometer
OBJS        = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c src/*/*.c)))
DATA_built  = sellometer--$(EXTVERSION).sql $(UPDATES)
SQL_PARTS   = $(sort $(wildcard src/sql/*.sql))
# From one release to the next: sql/updates/1.0--1.1.sql becomes sellometer--1.0--1.1.sql.
UPDATES     = $(patsubst sql/updates/%,sellometer--%,$(sort $(wildcard sql/updates/*--*.sql)))
EXTRA_CLEAN = $(DATA_built) test/unit/build test/fuzz/build test/bench/micro/build

REGRESS       = $(patsubst sql/%.sql,%,$(sort $(wildcard sql/*.sql)))
REGRESS_OPTS  = --encoding=UTF8 --no-locale
ISOLATION     = $(patsubst test/isolation/specs/%.spec,%,$(sort $(wildcard test/isolation/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test/isolation --outputdir=test/isolation

PG_CPPFLAGS = -I$(srcdir)/src -DSLM_VERSION='"$(EXTVERSION)"'
PG_CFLAGS   = -std=gnu11 -Wno-declaration-after-statement -Wextra -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers \
              $(if $(WERROR),-Werror)
SHLIB_LINK  = -lbz2 -lcurl -lexpat -llzma -lxxhash -lz -lzstd -Wl,--version-script=$(srcdir)/src/sellometer.map

PG_CONFIG ?= pg_config
# The bitcode for JIT inlining is of no use to a module like this one and doubles the build time.
override with_llvm = no
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# PGXS names databases after contrib; these are set last, as pg_regress takes the last one that it is given.
CONTRIB_TESTDB   = sellometer_regress
ISOLATION_TESTDB = sellometer_isolation

# A change of any header rebuilds all: the tree is small and nothing can be stale.
$(OBJS): $(wildcard src/*.h src/*/*.h)

# It knows the version.
src/server/version.o: Makefile

# The server has the schema of users first in the path of a script: what anybody has put there would be taken for good.
SAFE_PATH = 'SET LOCAL search_path = pg_catalog, pg_temp;'

sellometer--$(EXTVERSION).sql: $(SQL_PARTS) Makefile
	{ printf '%s\n' '\echo Use "CREATE EXTENSION sellometer" to load this file. \quit' $(SAFE_PATH); \
	  for f in $(SQL_PARTS); do echo; echo "-- $$(basename $$f)"; cat $$f; done; } > $@

# What loads waits for the end of the script.
$(UPDATES): sellometer--%.sql: sql/updates/%.sql Makefile
	{ printf '%s\n' '\echo Use "ALTER EXTENSION sellometer UPDATE" to load this file. \quit' $(SAFE_PATH) \
	  'SELECT sellometer.hold_loading();'; echo; cat $<; } > $@

# The mailer, a program of its own: see docs/mailer.md.
PREFIX ?= /usr/local
install-mailer:
	install -d '$(DESTDIR)$(PREFIX)/bin' '$(DESTDIR)$(PREFIX)/share/sellometer-mailer/sellometer_mailer/templates' '$(DESTDIR)$(PREFIX)/share/man/man8'
	install -m 755 $(srcdir)/mailer/sellometer-mailer '$(DESTDIR)$(PREFIX)/bin/'
	install -m 644 $(srcdir)/mailer/sellometer-mailer.8 '$(DESTDIR)$(PREFIX)/share/man/man8/'
	install -m 644 $(srcdir)/mailer/mailer.conf '$(DESTDIR)$(PREFIX)/share/sellometer-mailer/'
	install -m 644 $(srcdir)/mailer/sellometer_mailer/*.py '$(DESTDIR)$(PREFIX)/share/sellometer-mailer/sellometer_mailer/'
	install -m 644 $(srcdir)/mailer/sellometer_mailer/templates/* '$(DESTDIR)$(PREFIX)/share/sellometer-mailer/sellometer_mailer/templates/'
.PHONY: install-mailer

# A release's source: sellometer-VERSION.tar.gz in DISTDIR.
DISTDIR ?= .
dist:
	script/dist $(DISTDIR)
.PHONY: dist
