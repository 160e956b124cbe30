/*
 * file_internal.h: what the parts of the directory store share.
 *
 * A file is reached segment by segment from the store's directory (openat with O_NOFOLLOW), never by one long path: so
 * neither ".." nor a symbolic link that somebody puts below the directory leads out of it.  The directory itself is
 * named by an administrator and may be or hold links.
 *
 * Descriptors are raw ones, because PostgreSQL's virtual ones know no openat(); each is announced with
 * AcquireExternalFD(), hangs on a list of the store, and is closed when the store is.
 */
#ifndef SLM_STORE_FILE_INTERNAL_H
#define SLM_STORE_FILE_INTERNAL_H

#include "postgres.h"

#include <sys/stat.h>

#include "lib/ilist.h"

#include "store/store_internal.h"

#define SLM_FILE_TEMP_PREFIX	".slm-"
#define SLM_FILE_TEMP_SUFFIX	".tmp"
#define SLM_FILE_ETAG_SIZE		64

typedef struct SlmFileStore
{
	SlmStore	store;
	char	   *dir;			/* absolute, with its last '/' */
	dlist_head	open_files;		/* of SlmFileHandle */
	dlist_head	listings;		/* of FileListing, see file_list.c */
	dlist_head	puts;			/* of FilePut, see file_put.c */
} SlmFileStore;

/* A descriptor that is closed with the store; in its owner's struct. */
typedef struct SlmFileHandle
{
	dlist_node	node;
	int			fd;				/* -1 = closed */
} SlmFileHandle;

/* file_path.c: make a descriptor known to the store, or close it. */
extern void slm_file_hold(SlmFileStore *store, SlmFileHandle *handle, int fd);
extern void slm_file_drop(SlmFileHandle *handle);

/* What a file is known by: inode, size and time of last change. */
extern void slm_file_etag(const struct stat *st, char *etag);

/*
 * Open the directory that holds the given path below the store's directory (making the missing ones, if create), and
 * point *name at the path's last segment.  Returns a descriptor counted with AcquireExternalFD, or -1 with *error set;
 * *name is NULL then if the store's own directory can't be opened.
 */
extern int	slm_file_open_parent(SlmFileStore *store, const char *path, bool create,
								 const char **name, SlmStoreError *error);

/* Close what slm_file_open_parent() returned. */
extern void slm_file_close_fd(int fd);

/* file_list.c */
extern SlmListing *slm_file_list_begin(SlmStore *store, const char *prefix, const char *start_after);
extern SlmListingStatus slm_file_list_next(SlmListing *listing, long wait_ms, SlmListCallback callback, void *arg,
										   int *requests, SlmStoreError *error);
extern void slm_file_list_end(SlmListing *listing);
extern bool slm_file_abort_uploads(SlmStore *store, const char *prefix, TimestampTz before,
								   int *aborted, SlmStoreError *error);
extern void slm_file_close_listings(SlmFileStore *store);

/* file_put.c */
extern bool slm_file_put(SlmStore *store, const char *key, const char *data, size_t len,
						 char **etag, SlmStoreError *error);
extern SlmPut *slm_file_put_begin(SlmStore *store, const char *key);
extern bool slm_file_put_write(SlmPut *put, const char *data, size_t len, SlmStoreError *error);
extern bool slm_file_put_finish(SlmPut *put, char **etag, SlmStoreError *error);
extern void slm_file_put_abort(SlmPut *put);
extern void slm_file_close_puts(SlmFileStore *store);
extern bool slm_file_delete(SlmStore *store, const char *const *keys, int nkeys, SlmStoreError *error);

#endif							/* SLM_STORE_FILE_INTERNAL_H */
