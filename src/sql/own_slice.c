/*
 * own_slice.c: sources of which each node reads a prefix of its own: one call that is the same on all nodes says where these are.
 */
#include "postgres.h"

#include "commands/extension.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "pure/node_slice.h"
#include "server/as_owner.h"
#include "server/spi.h"
#include "sql/own_slice.h"

SlmNodeSlice
slm_own_slice_read(void)
{
	static SlmStatement statement = {"SELECT sellometer.own_slice()"};
	SlmNodeSlice slice;
	Oid			caller;
	int			security;

	GetUserIdAndSecContext(&caller, &security);
	SetUserIdAndSecContext(slm_extension_owner(get_extension_oid("sellometer", false)), security | SECURITY_LOCAL_USERID_CHANGE);
	slm_query(&statement, NULL);
	SetUserIdAndSecContext(caller, security);
	(void) slm_slice_parse(slm_text(CurrentMemoryContext, 0, 1), &slice);
	return slice;
}

static SlmNodeSlice
need_slice(const char *source)
{
	SlmNodeSlice slice = slm_own_slice_read();

	if (slice.of == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("source \"%s\" can't be of this database's own slice: it has none, and counts all products", source),
				 errhint("ALTER DATABASE … SET sellometer.slice = '0/4', before its first load; or leave own_slice out.")));
	return slice;
}

char *
slm_own_slice_place(const char *source, const char *url)
{
	SlmNodeSlice slice = need_slice(source);
	StringInfoData text;

	initStringInfo(&text);
	while (*url != '\0')
	{
		bool		number = strncmp(url, "{slice}", 7) == 0;

		if (!number && strncmp(url, "{slices}", 8) != 0)
		{
			appendStringInfoChar(&text, *url++);
			continue;
		}
		appendStringInfo(&text, "%u", number ? slice.number : slice.of);
		url += number ? 7 : 8;
	}
	return text.data;
}

char *
slm_own_slice_archive(const char *source, const char *url)
{
	if (url == NULL)
		return NULL;
	if (strstr(url, "{slice}") == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("archive_url of source \"%s\" must have {slice} in it", source),
				 errdetail("Each node archives what it alone reads: in one place they would overwrite each other's archives."),
				 errhint("With {slice}/ at its end it is another place for each node.")));
	return slm_own_slice_place(source, url);
}
