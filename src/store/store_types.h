/*
 * store_types.h: what those who use stores and those who implement them speak of.
 */
#ifndef SLM_STORE_STORE_TYPES_H
#define SLM_STORE_STORE_TYPES_H

#include "postgres.h"

#include <limits.h>

#include "datatype/timestamp.h"

typedef struct SlmStore SlmStore;
typedef struct SlmTransfer SlmTransfer;
typedef struct SlmPut SlmPut;
typedef struct SlmListing SlmListing;

typedef struct SlmObjectInfo
{
	const char *key;			/* relative to the store's URL */
	const char *etag;			/* without quotes; of a file: made of inode, size and mtime */
	int64		size;
	TimestampTz last_modified;
} SlmObjectInfo;

/* Called for each listed object; the info is valid during the call.  Returning false ends the listing early. */
typedef bool (*SlmListCallback) (const SlmObjectInfo *info, void *arg);

/* Why something that a listing came upon is no object. */
typedef enum SlmPassReason
{
	SLM_PASS_NAME,				/* its name is one of names.h */
	SLM_PASS_LINK,				/* a symbolic link, a socket and the like */
	SLM_PASS_UNREADABLE,		/* a directory or file that can't be looked at */
	SLM_PASS_ENTRY,				/* an entry of a server's list without what an object has */
	SLM_PASS_SIZE,				/* larger than any object can be */
	SLM_PASS_REASONS
} SlmPassReason;

/*
 * Called for each thing that a listing passes over; key: relative to the store's URL, of a directory with '/' at its end;
 * why: words for SLM_PASS_UNREADABLE, ENTRY and SIZE, else NULL.  Both are valid during the call.
 */
typedef void (*SlmPassCallback) (const char *key, SlmPassReason reason, const char *why, void *arg);

/* No service keeps objects beyond this: a list that says so is wrong, or a file is a sparse one. */
#define SLM_MAX_OBJECT_SIZE		(INT64CONST(1) << 50)

typedef enum SlmListingStatus
{
	SLM_LISTING_MORE,			/* the callback was called for some objects, perhaps for none; more may follow */
	SLM_LISTING_END,			/* likewise, and they were the last, or the callback has had enough */
	SLM_LISTING_WAIT,			/* nothing has come within wait_ms */
	SLM_LISTING_ERROR
} SlmListingStatus;

typedef enum SlmTransferStatus
{
	SLM_TRANSFER_DATA,
	SLM_TRANSFER_END,			/* all bytes were delivered, and their number is what the server announced */
	SLM_TRANSFER_ERROR,
	SLM_TRANSFER_WAIT			/* nothing came within wait_ms */
} SlmTransferStatus;

/* kB of a part of an upload: SLM_PART_KB but in tests. */
#define SLM_PART_KB		(64 * 1024)
extern int	slm_part_bytes;

/* Settings of the same names (guc.c): transfers of a store that are under way at the same time; the limits of a listing. */
extern int	slm_max_connections;
extern int	slm_max_list_keys;
extern int	slm_max_list_time;		/* s */

#define SLM_WAIT_FOR_EVER	LONG_MAX

#endif							/* SLM_STORE_STORE_TYPES_H */
