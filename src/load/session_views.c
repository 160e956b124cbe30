/*
 * session_views.c: the views that a session knows, kept from one call to the next.
 *
 * A call has to know the views of the whole window, and reading them from the log takes the longer the more there are: far longer than a
 * small file takes to be loaded.  Whoever calls a second time will do so again, so from then on the session keeps what it knows, within
 * sellometer.work_memory, as the worker does; the next call reads what others have written since.  One that calls once holds nothing.
 */
#include "postgres.h"

#include "commands/extension.h"
#include "load/session_views.h"
#include "miscadmin.h"
#include "utils/memutils.h"

static MemoryContext context;	/* of the state; NULL: there is none */
static SlmViewState *kept;
static Oid	kept_extension;		/* the extension whose views they are: it may be dropped and created anew */
static Oid	kept_role;			/* who has read them */
static bool called;				/* a call has ended well in this session */

void
slm_session_views_drop(void)
{
	if (context != NULL)
		MemoryContextDelete(context);
	context = NULL;
	kept = NULL;
}

SlmViewState *
slm_session_views_take(void)
{
	Oid			extension = get_extension_oid("sellometer", false);
	MemoryContext old;

	if (kept != NULL && kept_extension == extension && kept_role == GetUserId())
		return kept;
	slm_session_views_drop();
	context = AllocSetContextCreate(TopMemoryContext, "sellometer views of the session", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	kept = slm_view_state_create(true);
	MemoryContextSwitchTo(old);
	kept_extension = extension;
	kept_role = GetUserId();
	return kept;
}

void
slm_session_views_keep(void)
{
	if (!called)
		slm_session_views_drop();
	called = true;
}
