/*
 * read_error.h: why an input as a whole can't be read, in the terms of SQL.
 */
#ifndef SLM_TYPES_READ_ERROR_H
#define SLM_TYPES_READ_ERROR_H

#include "postgres.h"

#include "pure/reader.h"

/* The SQLSTATE (as of MAKE_SQLSTATE) that stands for a code of slm_reader_error(). */
extern int	slm_read_error_sqlstate(SlmReadErrorCode code);

/* What to do about it: a sentence, static; NULL where nothing useful can be said. */
extern const char *slm_read_error_hint(SlmReadErrorCode code);

#endif							/* SLM_TYPES_READ_ERROR_H */
