/*
 * s3_xml.c: see s3_xml.h.
 *
 *   expat --> start, text, end of elements --> the field that the element's path names
 *
 * An element at depth 2 (below the root) is a field of the document or an item; at depth 3 a field of that item.
 */
#include <expat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/s3_time.h"
#include "store/s3_xml.h"
#include "store/url.h"

#define MAX_DEPTH		16
#define MAX_TEXT		((size_t) 64 * 1024)	/* a key has 1024 bytes, each encoded as three */
#define MAX_ITEMS		((size_t) 100000)
#define BLOCK_BYTES		((size_t) 64 * 1024)

/* Strings live until the parser is freed. */
typedef struct Block
{
	struct Block *next;
	size_t		used;
	size_t		size;
	char		data[];
} Block;

struct SlmS3Parser
{
	XML_Parser	expat;
	SlmS3Document document;
	SlmS3Item  *items;
	size_t		max_items;
	Block	   *blocks;
	int			depth;
	bool		in_item;
	char		element[48];	/* the innermost element's name */
	char	   *text;			/* the innermost element's, so far */
	size_t		text_len;
	size_t		text_max;
	const char *problem;
	char		message[160];
};

static void
stop(SlmS3Parser *p, const char *problem)
{
	if (p->problem == NULL)
		p->problem = problem;
	XML_StopParser(p->expat, XML_FALSE);
}

/* A NUL-terminated copy, or NULL after stop(). */
static char *
keep(SlmS3Parser *p, const char *text, size_t len)
{
	Block	   *block = p->blocks;
	char	   *copy;

	if (block == NULL || block->size - block->used < len + 1)
	{
		size_t		size = len + 1 > BLOCK_BYTES ? len + 1 : BLOCK_BYTES;

		block = malloc(sizeof(Block) + size);
		if (block == NULL)
		{
			stop(p, "out of memory");
			return NULL;
		}
		block->next = p->blocks;
		block->used = 0;
		block->size = size;
		p->blocks = block;
	}
	copy = block->data + block->used;
	memcpy(copy, text, len);
	copy[len] = '\0';
	block->used += len + 1;
	return copy;
}

static char *
keep_text(SlmS3Parser *p)
{
	return keep(p, p->text_len ? p->text : "", p->text_len);
}

static const char *
local_name(const char *name)
{
	const char *colon = strrchr(name, ':');

	return colon ? colon + 1 : name;
}

static bool
is_item(const SlmS3Parser *p, const char *name)
{
	return strcmp(name, "Contents") == 0 || strcmp(name, "Upload") == 0 || strcmp(name, "Deleted") == 0 ||
		(strcmp(name, "Error") == 0 && strcmp(p->document.root, "DeleteResult") == 0);
}

static void
begin_item(SlmS3Parser *p)
{
	if (p->document.nitems == p->max_items)
	{
		size_t		max = p->max_items ? p->max_items * 2 : 1024;
		SlmS3Item  *larger;

		if (p->document.nitems >= MAX_ITEMS)
		{
			stop(p, "too many items");
			return;
		}
		larger = realloc(p->items, max * sizeof(SlmS3Item));
		if (larger == NULL)
		{
			stop(p, "out of memory");
			return;
		}
		p->items = larger;
		p->max_items = max;
	}
	p->items[p->document.nitems++] = (SlmS3Item) {.size = -1, .time = INT64_MIN};
	p->in_item = true;
}

static void
on_start(void *arg, const XML_Char *qualified_name, const XML_Char **attributes)
{
	SlmS3Parser *p = arg;
	const char *name = local_name(qualified_name);

	(void) attributes;
	p->text_len = 0;
	if (++p->depth > MAX_DEPTH)
	{
		stop(p, "elements are nested too deeply");
		return;
	}
	snprintf(p->element, sizeof(p->element), "%s", name);
	if (p->depth == 1)
	{
		p->document.root = keep(p, p->element, strlen(p->element));
		if (p->document.root == NULL)
			p->document.root = "";
	}
	else if (p->depth == 2 && is_item(p, name))
		begin_item(p);
}

static void
on_text(void *arg, const XML_Char *text, int len)
{
	SlmS3Parser *p = arg;

	if (p->text_len + (size_t) len > MAX_TEXT)
	{
		stop(p, "a text is too long");
		return;
	}
	if (p->text_len + (size_t) len > p->text_max)
	{
		size_t		max = p->text_max ? p->text_max * 2 : 4096;
		char	   *larger;

		while (max < p->text_len + (size_t) len)
			max *= 2;
		larger = realloc(p->text, max);
		if (larger == NULL)
		{
			stop(p, "out of memory");
			return;
		}
		p->text = larger;
		p->text_max = max;
	}
	memcpy(p->text + p->text_len, text, (size_t) len);
	p->text_len += (size_t) len;
}

/* ETags come in quotes, or without. */
static const char *
keep_etag(SlmS3Parser *p)
{
	const char *text = p->text;
	size_t		len = p->text_len;

	if (len > 0 && text[0] == '"')
	{
		text++;
		len--;
	}
	if (len > 0 && text[len - 1] == '"')
		len--;
	return keep(p, len ? text : "", len);
}

/* A size: digits only, up to 2^63 - 1, or -1. */
static int64_t
number_of(const char *text, size_t len)
{
	int64_t		value = 0;

	if (len == 0)
		return -1;
	for (size_t i = 0; i < len; i++)
	{
		if (text[i] < '0' || text[i] > '9' ||
			__builtin_mul_overflow(value, (int64_t) 10, &value) ||
			__builtin_add_overflow(value, (int64_t) (text[i] - '0'), &value))
			return -1;
	}
	return value;
}

static void
set_item_field(SlmS3Parser *p, SlmS3Item *item)
{
	const char *name = p->element;

	if (strcmp(name, "Key") == 0)
		item->key = keep_text(p);
	else if (strcmp(name, "ETag") == 0)
		item->etag = keep_etag(p);
	else if (strcmp(name, "Size") == 0)
		item->size = number_of(p->text, p->text_len);
	else if (strcmp(name, "UploadId") == 0)
		item->upload_id = keep_text(p);
	else if (strcmp(name, "Code") == 0)
		item->code = keep_text(p);
	else if (strcmp(name, "Message") == 0)
		item->message = keep_text(p);
	else if (strcmp(name, "LastModified") == 0 || strcmp(name, "Initiated") == 0)
	{
		const char *text = keep_text(p);

		if (text != NULL && !slm_s3_parse_time(text, &item->time))
			item->time = INT64_MIN;
	}
}

static void
set_field(SlmS3Parser *p)
{
	static const struct
	{
		const char *name;
		size_t		offset;
	}			fields[] = {
		{"NextContinuationToken", offsetof(SlmS3Document, next_continuation_token)},
		{"NextKeyMarker", offsetof(SlmS3Document, next_key_marker)},
		{"NextUploadIdMarker", offsetof(SlmS3Document, next_upload_id_marker)},
		{"UploadId", offsetof(SlmS3Document, upload_id)},
		{"Code", offsetof(SlmS3Document, code)},
		{"Message", offsetof(SlmS3Document, message)},
		{"Region", offsetof(SlmS3Document, region)},
		{"Endpoint", offsetof(SlmS3Document, endpoint)},
		{"RequestId", offsetof(SlmS3Document, request_id)},
	};

	if (strcmp(p->element, "IsTruncated") == 0)
		p->document.is_truncated = p->text_len == 4 && memcmp(p->text, "true", 4) == 0;
	else if (strcmp(p->element, "EncodingType") == 0)
		p->document.is_url_encoded = p->text_len == 3 && memcmp(p->text, "url", 3) == 0;
	else if (strcmp(p->element, "ETag") == 0)
		p->document.etag = keep_etag(p);
	else
		for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
			if (strcmp(p->element, fields[i].name) == 0)
				*(const char **) ((char *) &p->document + fields[i].offset) = keep_text(p);
}

static void
on_end(void *arg, const XML_Char *qualified_name)
{
	SlmS3Parser *p = arg;

	snprintf(p->element, sizeof(p->element), "%s", local_name(qualified_name));
	if (p->depth == 2 && p->in_item)
		p->in_item = false;
	else if (p->depth == 2)
		set_field(p);
	else if (p->depth == 3 && p->in_item)
		set_item_field(p, &p->items[p->document.nitems - 1]);
	p->depth--;
	p->text_len = 0;
}

/* Entities can only be declared in a document type: refusing it, no text can be longer than what came in. */
static void
on_doctype(void *arg, const XML_Char *name, const XML_Char *sysid, const XML_Char *pubid, int has_internal_subset)
{
	(void) name;
	(void) sysid;
	(void) pubid;
	(void) has_internal_subset;
	stop(arg, "it has a document type declaration");
}

SlmS3Parser *
slm_s3_parser_create(void)
{
	SlmS3Parser *p = calloc(1, sizeof(SlmS3Parser));

	if (p == NULL)
		return NULL;
	p->expat = XML_ParserCreate(NULL);
	if (p->expat == NULL)
	{
		free(p);
		return NULL;
	}
	XML_SetUserData(p->expat, p);
	XML_SetElementHandler(p->expat, on_start, on_end);
	XML_SetCharacterDataHandler(p->expat, on_text);
	XML_SetStartDoctypeDeclHandler(p->expat, on_doctype);
	return p;
}

void
slm_s3_parser_free(SlmS3Parser *p)
{
	if (p == NULL)
		return;
	XML_ParserFree(p->expat);
	while (p->blocks)
	{
		Block	   *next = p->blocks->next;

		free(p->blocks);
		p->blocks = next;
	}
	free(p->items);
	free(p->text);
	free(p);
}

/* Whether keys are encoded may stand behind them, so they are decoded when all is there. */
static void
finish(SlmS3Parser *p)
{
	SlmS3Document *document = &p->document;

	document->items = p->items;
	for (size_t i = 0; document->is_url_encoded && i < document->nitems; i++)
	{
		char	   *key = (char *) p->items[i].key;
		size_t		len = key ? strlen(key) : 0;

		if (key != NULL && !slm_url_decode(key, &len))
			p->items[i].key = NULL;
	}
	if (document->is_url_encoded && document->next_key_marker)
	{
		size_t		len = strlen(document->next_key_marker);

		slm_url_decode((char *) document->next_key_marker, &len);
	}
}

/* A wider type from Expat 2.9 on; the old function is deprecated there. */
#if XML_MAJOR_VERSION > 2 || (XML_MAJOR_VERSION == 2 && XML_MINOR_VERSION >= 9)
#define current_line	XML_GetCurrentLineNumber64
#else
#define current_line	XML_GetCurrentLineNumber
#endif

const char *
slm_s3_parser_feed(SlmS3Parser *p, const char *data, size_t len, bool is_last)
{
	if (p->problem != NULL)
		return p->problem;
	if (XML_Parse(p->expat, data, (int) len, is_last) == XML_STATUS_ERROR)
	{
		if (p->problem == NULL)
		{
			snprintf(p->message, sizeof(p->message), "%s in line %lu",
					 XML_ErrorString(XML_GetErrorCode(p->expat)),
					 (unsigned long) current_line(p->expat));
			p->problem = p->message;
		}
		return p->problem;
	}
	if (is_last)
		finish(p);
	return NULL;
}

const SlmS3Document *
slm_s3_parser_document(const SlmS3Parser *p)
{
	return &p->document;
}

size_t
slm_s3_xml_escape(char *out, const char *text, size_t len)
{
	size_t		n = 0;

	for (size_t i = 0; i < len; i++)
	{
		unsigned char c = (unsigned char) text[i];
		const char *entity = NULL;

		switch (c)
		{
			case '&':
				entity = "&amp;";
				break;
			case '<':
				entity = "&lt;";
				break;
			case '>':
				entity = "&gt;";
				break;
			case '\r':
				entity = "&#13;";
				break;
			case '\n':
				entity = "&#10;";
				break;
			case '\t':
				entity = "&#9;";
				break;
			default:
				break;
		}
		if (entity)
		{
			memcpy(out + n, entity, strlen(entity));
			n += strlen(entity);
		}
		else if (c < 0x20 || c == 0x7f)
			return SIZE_MAX;
		else
			out[n++] = (char) c;
	}
	return n;
}
