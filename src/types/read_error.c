/*
 * read_error.c: why an input as a whole can't be read, in the terms of SQL.
 */
#include "postgres.h"

#include "types/read_error.h"

int
slm_read_error_sqlstate(SlmReadErrorCode code)
{
	switch (code)
	{
		case SLM_READ_ERROR_NONE:
			break;
		case SLM_READ_ERROR_MEMORY:
			return ERRCODE_OUT_OF_MEMORY;
		case SLM_READ_ERROR_GZIP:
		case SLM_READ_ERROR_GZIP_SHORT:
		case SLM_READ_ERROR_NOT_CSV:
			return ERRCODE_BAD_COPY_FILE_FORMAT;
		case SLM_READ_ERROR_COLUMN:
			return ERRCODE_UNDEFINED_COLUMN;
	}
	return ERRCODE_INTERNAL_ERROR;
}

const char *
slm_read_error_hint(SlmReadErrorCode code)
{
	switch (code)
	{
		case SLM_READ_ERROR_GZIP:
		case SLM_READ_ERROR_GZIP_SHORT:
			return "Write the object again, whole: the program that has packed it must accept it with `-t`.";
		case SLM_READ_ERROR_NOT_CSV:
			return "It must be comma-separated values in UTF-8, plain or packed, with a first line that names the columns: event_time, "
				"event_type, product_id and price, and optionally category_id, category_code, brand, user_id and user_session.  "
				"sellometer_sniff() helps with files in a format of their own.";
		case SLM_READ_ERROR_COLUMN:
			return "The first line must name the columns, each once: event_time, event_type, product_id and price, and "
				"optionally category_id, category_code, brand, user_id and user_session.  "
				"sellometer_sniff() helps with files in a format of their own.";
		default:
			return NULL;
	}
}
