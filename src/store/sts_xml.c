/*
 * sts_xml.c: see sts_xml.h.
 */
#include <expat.h>
#include <string.h>
#include <strings.h>

#include "store/sts_xml.h"

#define MAX_DEPTH	16

typedef struct Reader
{
	XML_Parser	expat;
	SlmStsAnswer *answer;
	int			depth;
	char		parents[MAX_DEPTH][24]; /* names of the elements that are open, cut */
	char	   *to;				/* where the text of the innermost goes, or NULL */
	size_t		room;
	bool		may_cut;
	bool		failed;
} Reader;

static void
stop(Reader *r)
{
	r->failed = true;
	XML_StopParser(r->expat, XML_FALSE);
}

/* Where the text of an element goes, which stands in another. */
static void
choose(Reader *r, const char *parent, const char *name)
{
	SlmStsAnswer *a = r->answer;
	const struct Field
	{
		const char *parent;
		const char *name;
		char	   *to;
		size_t		size;
		bool		may_cut;
	}			fields[] = {
		{"Credentials", "AccessKeyId", a->access_key, sizeof(a->access_key), false},
		{"Credentials", "SecretAccessKey", a->secret_key, sizeof(a->secret_key), false},
		{"Credentials", "SessionToken", a->session_token, sizeof(a->session_token), false},
		{"Credentials", "Expiration", a->expiration, sizeof(a->expiration), false},
		{"Error", "Code", a->code, sizeof(a->code), true},
		{"Error", "Message", a->message, sizeof(a->message), true},
	};

	r->to = NULL;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (strcmp(parent, fields[i].parent) == 0 && strcmp(name, fields[i].name) == 0)
		{
			r->to = fields[i].to;
			r->room = fields[i].size - 1;
			r->may_cut = fields[i].may_cut;
			memset(r->to, 0, fields[i].size);
		}
}

static void
on_start(void *arg, const XML_Char *qualified_name, const XML_Char **attributes)
{
	Reader	   *r = arg;
	const char *colon = strrchr(qualified_name, ':');
	const char *name = colon ? colon + 1 : qualified_name;

	(void) attributes;
	if (r->depth == MAX_DEPTH)
	{
		stop(r);
		return;
	}
	choose(r, r->depth > 0 ? r->parents[r->depth - 1] : "", name);
	strncpy(r->parents[r->depth], name, sizeof(r->parents[0]) - 1);
	r->parents[r->depth][sizeof(r->parents[0]) - 1] = '\0';
	r->depth++;
}

static void
on_end(void *arg, const XML_Char *name)
{
	Reader	   *r = arg;

	(void) name;
	r->depth--;
	r->to = NULL;
}

static void
on_text(void *arg, const XML_Char *text, int len)
{
	Reader	   *r = arg;
	size_t		n = (size_t) len;

	if (r->to == NULL)
		return;
	if (n > r->room && !r->may_cut)
	{
		stop(r);
		return;
	}
	n = n > r->room ? r->room : n;
	memcpy(r->to, text, n);
	r->to += n;
	r->room -= n;
}

/* As in s3_xml.c: without one there are no entities to expand. */
static void
on_doctype(void *arg, const XML_Char *name, const XML_Char *sysid, const XML_Char *pubid, int has_internal_subset)
{
	(void) name;
	(void) sysid;
	(void) pubid;
	(void) has_internal_subset;
	stop(arg);
}

bool
slm_sts_parse(const char *text, size_t len, SlmStsAnswer *answer)
{
	Reader		r = {.expat = XML_ParserCreate(NULL), .answer = answer};
	bool		ok;

	memset(answer, 0, sizeof(*answer));
	if (r.expat == NULL)
		return false;
	XML_SetUserData(r.expat, &r);
	XML_SetElementHandler(r.expat, on_start, on_end);
	XML_SetCharacterDataHandler(r.expat, on_text);
	XML_SetStartDoctypeDeclHandler(r.expat, on_doctype);
	ok = XML_Parse(r.expat, text, (int) len, XML_TRUE) != XML_STATUS_ERROR && !r.failed;
	XML_ParserFree(r.expat);
	return ok;
}
