/*
 * source.c: the sources and their stores.
 */
#include "postgres.h"

#include "access/xact.h"
#include "ledger/source_internal.h"
#include "miscadmin.h"
#include "server/spi.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

/* Counted by invalidations; each set of sources compares them with what it saw last. */
static uint64 definition_changes = 1;
static uint64 role_changes = 1;

static void
note_change(Datum arg, int cacheid, uint32 hashvalue)
{
	definition_changes++;
}

static void
note_role_change(Datum arg, int cacheid, uint32 hashvalue)
{
	role_changes++;
}

SlmSources *
slm_sources_create(void)
{
	static bool registered = false;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "sellometer sources", ALLOCSET_SMALL_SIZES);
	SlmSources *sources = MemoryContextAllocZero(context, sizeof(SlmSources));

	sources->context = context;
	sources->changes_seen = definition_changes;
	sources->retired = AllocSetContextCreate(context, "sellometer old sources", ALLOCSET_SMALL_SIZES);
	if (!registered)
	{
		CacheRegisterSyscacheCallback(FOREIGNSERVEROID, note_change, (Datum) 0);
		CacheRegisterSyscacheCallback(USERMAPPINGOID, note_change, (Datum) 0);
		/* roles, and who has whose rights */
		CacheRegisterSyscacheCallback(AUTHOID, note_role_change, (Datum) 0);
		CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, note_role_change, (Datum) 0);
		registered = true;
	}
	return sources;
}

SlmSource *
slm_sources_find(SlmSources *sources, const char *name)
{
	for (int i = 0; i < sources->n; i++)
	{
		if (strcmp(sources->items[i]->name, name) == 0)
			return sources->items[i];
	}
	return NULL;
}

void
slm_sources_for_each(SlmSources *sources, void (*function) (SlmSource *source))
{
	for (int i = 0; i < sources->n; i++)
		function(sources->items[i]);
}

void
slm_sources_hold(SlmSources *sources, bool held)
{
	sources->held = held;
}

static void
drop_source(SlmSources *sources, int i)
{
	MemoryContextSetParent(sources->items[i]->context, sources->retired);
	sources->items[i] = sources->items[--sources->n];
}

/* Open the store; what goes wrong is noted in the source. */
static void
open_store(SlmSource *source)
{
	MemoryContext old = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(source->context);
	PG_TRY();
	{
		if (source->owner_trouble != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
					 errmsg("the rights of whom the source belongs to count no longer"),
					 errdetail_internal("%s", source->owner_trouble),
					 errhint("sellometer_drop_source(), and sellometer_add_source() as another role: the ledger is kept.")));
		source->store = slm_store_open(source->url, source->server, source->owner);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		MemoryContextSwitchTo(source->context);
		edata = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		source->store = NULL;
		source->error.kind = SLM_STORE_FATAL;
		source->error.sqlstate = edata->sqlerrcode;
		source->error.message = edata->message;
		source->error.detail = edata->detail;
		source->error.hint = edata->hint;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	CurrentResourceOwner = owner;
}

static void
copy_patterns(MemoryContext context, SlmPatterns *to, const SlmPatterns *from)
{
	to->n = from->n;
	to->globs = MemoryContextAlloc(context, sizeof(char *) * Max(from->n, 1));
	for (int i = 0; i < from->n; i++)
		to->globs[i] = MemoryContextStrdup(context, from->globs[i]);
}

void
slm_sources_move_on(SlmSources *sources)
{
	for (int i = 0; i < sources->n; i++)
	{
		if (sources->items[i]->store != NULL)
			slm_store_move_on(sources->items[i]->store);
	}
}

/*
 * Roles have changed, anybody's: are the rights of this source's owner still enough?  If so the store stays, and what is known
 * of its listing: nobody causes all to be listed anew by changing a password.
 */
static bool
still_opens(SlmSource *source)
{
	SlmStore   *store = source->store;
	bool		opens;

	open_store(source);
	opens = source->store != NULL;
	if (opens)
	{
		slm_store_take_rights(store, source->store);
		slm_store_close(source->store);
	}
	source->store = store;
	return opens;
}

static SlmSource *
add_source(SlmSources *sources, const SlmSource *like)
{
	MemoryContext context = AllocSetContextCreate(sources->context, "sellometer source", ALLOCSET_SMALL_SIZES);
	SlmSource  *source = MemoryContextAllocZero(context, sizeof(SlmSource));

	source->context = context;
	source->name = MemoryContextStrdup(context, like->name);
	source->url = MemoryContextStrdup(context, like->url);
	source->server = like->server ? MemoryContextStrdup(context, like->server) : NULL;
	source->owner = like->owner;
	source->patterns = MemoryContextStrdup(context, like->patterns);
	copy_patterns(context, &source->include, &like->include);
	copy_patterns(context, &source->exclude, &like->exclude);
	source->unreadable = like->unreadable;
	source->long_list = true;
	source->owner_trouble = like->owner_trouble ? MemoryContextStrdup(context, like->owner_trouble) : NULL;
	if (sources->n >= sources->max)
	{
		sources->max = Max(8, sources->max * 2);
		sources->items = sources->items == NULL
			? MemoryContextAlloc(sources->context, sizeof(SlmSource *) * sources->max)
			: repalloc(sources->items, sizeof(SlmSource *) * sources->max);
	}
	sources->items[sources->n++] = source;
	open_store(source);
	return source;
}

static bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static SlmPatterns
patterns_at(uint64 row, int column)
{
	bool		isnull;
	Datum		array = slm_value(row, column, &isnull);

	return isnull ? (SlmPatterns) {0} : slm_patterns(array);
}

void
slm_sources_refresh(SlmSources *sources)
{
	static SlmStatement statement = {
		"SELECT name, url, server, owner::oid::bigint, ROW(include, exclude)::text, include, exclude, "
		"(unreadable_since IS NOT NULL)::int::bigint, "
		"sellometer.owner_trouble(owner, owner_name, owner_login) "
		"FROM sellometer.sources WHERE enabled ORDER BY name"
	};
	static SlmStatement note_owners = {"SELECT sellometer.note_owners()"};
	bool		changed = sources->changes_seen != definition_changes;
	bool		roles_changed = sources->role_changes_seen != role_changes;
	MemoryContext context = CurrentMemoryContext;
	SlmSource  *read;
	int			n;

	sources->changes_seen = definition_changes;
	sources->role_changes_seen = role_changes;
	if (!sources->held)
		MemoryContextReset(sources->retired);
	sources->round++;
	if (roles_changed)
		slm_execute(&note_owners, NULL, NULL, SPI_OK_SELECT);
	n = slm_execute(&statement, NULL, NULL, SPI_OK_SELECT);
	read = MemoryContextAllocZero(context, sizeof(SlmSource) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		read[i].name = slm_text(context, i, 1);
		read[i].url = slm_text(context, i, 2);
		read[i].server = slm_text(context, i, 3);
		read[i].owner = (Oid) slm_int64(i, 4, InvalidOid);
		read[i].patterns = slm_text(context, i, 5);
		read[i].include = patterns_at(i, 6);
		read[i].exclude = patterns_at(i, 7);
		read[i].unreadable = slm_int64(i, 8, 0) != 0;
		read[i].owner_trouble = slm_text(context, i, 9);
	}
	for (int i = 0; i < n; i++)
	{
		SlmSource  *source = slm_sources_find(sources, read[i].name);

		if (source != NULL && !changed && source->store != NULL && strcmp(source->url, read[i].url) == 0 &&
			same_text(source->server, read[i].server) && source->owner == read[i].owner &&
			strcmp(source->patterns, read[i].patterns) == 0 && read[i].owner_trouble == NULL &&
			(!roles_changed || still_opens(source)))
		{
			source->seen = sources->round;
			continue;
		}
		if (source != NULL)
			source->seen = 0;
		add_source(sources, &read[i])->seen = sources->round;
	}
	for (int i = sources->n - 1; i >= 0; i--)
	{
		if (sources->items[i]->seen != sources->round)
			drop_source(sources, i);
	}
}
