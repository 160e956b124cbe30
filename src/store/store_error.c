/*
 * store_error.c: what went wrong outside, as a value, and what comes from there fit for a message.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "pure/utf8.h"
#include "store/store_error.h"
#include "utils/memutils.h"

/* How much of a key or of a server's words a message shows. */
#define MAX_DISPLAY_BYTES	300

static bool fail_va(SlmStoreError *error, SlmStoreErrorKind kind, int sqlstate, const char *suffix,
					const char *message, va_list args) pg_attribute_printf(5, 0);

static bool
fail_va(SlmStoreError *error, SlmStoreErrorKind kind, int sqlstate, const char *suffix, const char *message,
		va_list args)
{
	StringInfoData text;
	int			needed;

	initStringInfo(&text);
	for (;;)
	{
		va_list		copy;

		va_copy(copy, args);
		needed = appendStringInfoVA(&text, message, copy);
		va_end(copy);
		if (needed == 0)
			break;
		enlargeStringInfo(&text, needed);
	}
	if (suffix != NULL)
		appendStringInfo(&text, ": %s", suffix);
	memset(error, 0, sizeof(*error));
	error->kind = kind;
	error->sqlstate = sqlstate;
	error->message = text.data;
	return false;
}

bool
slm_store_fail(SlmStoreError *error, SlmStoreErrorKind kind, int sqlstate, const char *message,...)
{
	va_list		args;

	va_start(args, message);
	fail_va(error, kind, sqlstate, NULL, message, args);
	va_end(args);
	return false;
}

bool
slm_store_fail_errno(SlmStoreError *error, int saved_errno, const char *message,...)
{
	SlmStoreErrorKind kind;
	int			sqlstate;
	va_list		args;

	switch (saved_errno)
	{
		case ENOENT:
		case ENOTDIR:
			kind = SLM_STORE_NOT_FOUND;
			sqlstate = ERRCODE_UNDEFINED_FILE;
			break;
		case EACCES:
		case EPERM:
		case EROFS:
			kind = SLM_STORE_DENIED;
			sqlstate = ERRCODE_INSUFFICIENT_PRIVILEGE;
			break;
		case ENOSPC:
		case EDQUOT:
			kind = SLM_STORE_TRANSIENT;
			sqlstate = ERRCODE_DISK_FULL;
			break;
		case EMFILE:
		case ENFILE:
			kind = SLM_STORE_TRANSIENT;
			sqlstate = ERRCODE_INSUFFICIENT_RESOURCES;
			break;
		case ENOMEM:
			kind = SLM_STORE_TRANSIENT;
			sqlstate = ERRCODE_OUT_OF_MEMORY;
			break;
		case EIO:
		case EINTR:
		case EAGAIN:
		case EBUSY:
		case ESTALE:
		case ETIMEDOUT:
			kind = SLM_STORE_TRANSIENT;
			sqlstate = ERRCODE_IO_ERROR;
			break;
		default:
			kind = SLM_STORE_FATAL;
			sqlstate = ERRCODE_IO_ERROR;
			break;
	}
	va_start(args, message);
	fail_va(error, kind, sqlstate, strerror(saved_errno), message, args);
	va_end(args);
	return false;
}

void
slm_store_error_copy(SlmStoreError *to, const SlmStoreError *from)
{
	*to = *from;
	if (from->message)
		to->message = pstrdup(from->message);
	if (from->detail)
		to->detail = pstrdup(from->detail);
	if (from->hint)
		to->hint = pstrdup(from->hint);
}

char *
slm_store_error_text(const SlmStoreError *error)
{
	char	   *text = pstrdup(error->message);

	if (error->detail)
		text = psprintf("%s: %s", text, error->detail);
	if (error->hint)
		text = psprintf("%s (%s)", text, error->hint);
	return text;
}

void
slm_store_error_raise(const SlmStoreError *error)
{
	Assert(error->kind != SLM_STORE_OK);
	ereport(ERROR,
			(errcode(error->sqlstate),
			 errmsg_internal("%s", error->message),
			 error->detail ? errdetail_internal("%s", error->detail) : 0,
			 error->hint ? errhint("%s", error->hint) : 0));
	pg_unreachable();
}

const char *
slm_store_key_text(const char *key)
{
	size_t		len = strlen(key);

	if (GetDatabaseEncoding() == PG_UTF8)
		return pg_verify_mbstr(PG_UTF8, key, len, true) ? key : NULL;
	for (const char *p = key; *p; p++)
		if (IS_HIGHBIT_SET(*p))
			return NULL;
	return key;
}

static char *
display(const char *bytes, size_t len, size_t max, bool keep_space)
{
	bool		utf8 = GetDatabaseEncoding() == PG_UTF8;
	StringInfoData out;

	initStringInfo(&out);
	for (size_t i = 0; i < len;)
	{
		unsigned char c = (unsigned char) bytes[i];
		int			n = utf8 ? slm_utf8_length(bytes + i, len - i) : c < 0x80 && c != 0;

		if (out.len > max)
		{
			appendStringInfoString(&out, "...");
			break;
		}
		if (n > 1 ? !slm_utf8_misleads(bytes + i, n) : n == 1 && ((c >= 0x20 && c != 0x7f) || (keep_space && (c == '\n' || c == '\t'))))
			appendBinaryStringInfo(&out, bytes + i, n);
		else
		{
			n = Max(n, 1);
			for (int b = 0; b < n; b++)
				appendStringInfo(&out, "\\x%02X", (unsigned char) bytes[i + b]);
		}
		i += n;
	}
	return out.data;
}

char *
slm_store_display(const char *bytes)
{
	return display(bytes, strlen(bytes), MAX_DISPLAY_BYTES, false);
}

char *
slm_store_display_text(const char *bytes, size_t len)
{
	return display(bytes, len, MaxAllocSize, true);
}
