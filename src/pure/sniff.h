/*
 * sniff.h: what the beginning of a file looks like, and the format (format.h) that would read it.
 *
 *   bytes --> encoding --> delimiter --> header, or none --> columns by name, or by what they hold --> times, numbers, events
 */
#ifndef SLM_PURE_SNIFF_H
#define SLM_PURE_SNIFF_H

#include "pure/columns.h"
#include "pure/format.h"

/* So many bytes are looked at, and so many rows of them. */
#define SLM_SNIFF_BYTES		(256 * 1024)
#define SLM_SNIFF_ROWS		500

/* Columns beyond these are not looked at. */
#define SLM_SNIFF_COLUMNS	500

typedef enum SlmSure
{
	SLM_SURE_CERTAIN,			/* nothing else would do */
	SLM_SURE_LIKELY,
	SLM_SURE_GUESS,				/* to be looked at */
	SLM_SURE_NO					/* can't be told, or can't be read: the detail says what to choose from */
} SlmSure;

/* One thing that was seen.  Texts are NUL-terminated UTF-8. */
typedef struct SlmFinding
{
	char		item[32];
	char		found[128];
	SlmSure		sure;
	char		detail[400];
} SlmFinding;

#define SLM_MAX_FINDINGS	32

typedef struct SlmSniff
{
	SlmFinding	finding[SLM_MAX_FINDINGS];
	int			nfindings;
	SlmText		format;			/* the description, in JSON; `{}` if the file needs none */
} SlmSniff;

/*
 * Look at bytes that are not packed any more; whole: they are the whole file.  False if out of memory.  slm_sniff_free() is to be called
 * either way.
 */
extern bool slm_sniff(const uint8_t *bytes, size_t len, bool whole, SlmSniff *sniff);
extern void slm_sniff_free(SlmSniff *sniff);

/* "certain" …; a static string. */
extern const char *slm_sure_name(SlmSure sure);

#endif							/* SLM_PURE_SNIFF_H */
