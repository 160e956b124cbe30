/*
 * file_list.c: listing a directory tree, with names left out, links not followed, and descriptors that can't leak.
 *
 * One directory or file that can't be looked at hides nothing but itself: it is passed over, and told of.
 */
#include "postgres.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/timestamp.h"

#include "store/file_internal.h"
#include "store/names.h"

/* What lies deeper is passed over: each level costs a descriptor. */
#define MAX_DEPTH	32

/* So many files are handed out at once. */
#define FILES_AT_ONCE	1000

typedef struct FileListing
{
	dlist_node	node;			/* in the store's list, so that closing the store closes the directories */
	SlmFileStore *store;
	const SlmListing *wanted;	/* whom to tell of what is passed over; NULL: whatever can't be read is an error */
	DIR		   *dirs[MAX_DEPTH];
	int			path_len[MAX_DEPTH];	/* length of path up to and with that directory's last '/' */
	int			depth;			/* open directories */
	StringInfoData path;		/* of the entry at hand, below the store's directory */
	char	   *prefix;			/* what paths must begin with */
	char	   *after;			/* paths up to this one are not wanted; NULL: all are */
} FileListing;

static void
pop_dir(FileListing *listing)
{
	closedir(listing->dirs[--listing->depth]);
	ReleaseExternalFD();
}

static void
end_listing(FileListing *listing)
{
	while (listing->depth > 0)
		pop_dir(listing);
	dlist_delete(&listing->node);
	/* a store lives for days and is listed each second */
	pfree(listing->path.data);
	pfree(listing->prefix);
	if (listing->after != NULL)
		pfree(listing->after);
	pfree(listing);
}

void
slm_file_close_listings(SlmFileStore *store)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &store->listings)
		end_listing(dlist_container(FileListing, node, iter.cur));
}

/* Open a directory, the store's own or one below the innermost.  Returns false with errno set. */
static bool
push_dir(FileListing *listing, const char *name)
{
	int			fd;
	int			saved_errno;
	DIR		   *dir;

	if (listing->depth == MAX_DEPTH)
	{
		errno = ELOOP;
		return false;
	}
	if (!AcquireExternalFD())
		return false;
	if (listing->depth == 0)
		fd = open(listing->store->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	else
		/* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): only the store's own directory, at depth 0, has no name */
		fd = openat(dirfd(listing->dirs[listing->depth - 1]), name,
					O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (dir == NULL)
	{
		saved_errno = errno;
		if (fd >= 0)
			close(fd);
		ReleaseExternalFD();
		errno = saved_errno;
		return false;
	}
	listing->dirs[listing->depth] = dir;
	listing->path_len[listing->depth] = listing->path.len;
	listing->depth++;
	return true;
}

static FileListing *
begin_listing(SlmFileStore *store, const char *prefix, const char *start_after, SlmStoreError *error)
{
	MemoryContext outer = MemoryContextSwitchTo(store->store.context);
	FileListing *listing = palloc0(sizeof(FileListing));

	listing->store = store;
	listing->prefix = psprintf("%s%s", store->store.key_prefix, prefix);
	if (start_after != NULL)
		listing->after = psprintf("%s%s", store->store.key_prefix, start_after);
	initStringInfo(&listing->path);
	MemoryContextSwitchTo(outer);
	dlist_push_tail(&store->listings, &listing->node);
	if (push_dir(listing, NULL))
		return listing;
	slm_store_fail_errno(error, errno, "could not open directory \"%s\"", slm_store_display(store->dir));
	error->hint = pstrdup("The directory must exist, and the operating system's user that runs PostgreSQL must be"
						  " allowed to read it.");
	end_listing(listing);
	return NULL;
}

static bool
ends_with(const char *name, const char *suffix)
{
	size_t		len = strlen(name);
	size_t		suffix_len = strlen(suffix);

	return len >= suffix_len && strcmp(name + len - suffix_len, suffix) == 0;
}

static bool
begins_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Tell of what is passed over, which is at path. */
static void
pass_over(const FileListing *listing, SlmPassReason reason, const char *why)
{
	const char *path = listing->path.data;
	size_t		prefix_len = strlen(listing->store->store.key_prefix);

	if (listing->wanted != NULL)
		slm_listing_passed(listing->wanted, path + Min(prefix_len, (size_t) listing->path.len), reason,
						   why != NULL ? "%s" : NULL, why);
}

/*
 * What is at path can't be looked at.  True if that is told of and the listing goes on; false with *error set if it must
 * not, as the server itself is short of something, or nobody would hear of it.
 */
static bool
pass_unreadable(FileListing *listing, int saved_errno, const char *doing, SlmStoreError *error)
{
	if (listing->wanted == NULL || listing->wanted->passed == NULL ||
		saved_errno == EMFILE || saved_errno == ENFILE || saved_errno == ENOMEM)
		return slm_store_fail_errno(error, saved_errno, "could not %s \"%s%s\"", doing, listing->store->dir,
									slm_store_display(listing->path.data));
	pass_over(listing, SLM_PASS_UNREADABLE, saved_errno == ELOOP ? "nested too deeply" : strerror(saved_errno));
	return true;
}

/* Go into a directory, unless no path below can begin with the prefix.  Returns false with *error set. */
static bool
descend(FileListing *listing, const char *name, SlmStoreError *error)
{
	int			name_pos = listing->path.len - (int) strlen(name);

	appendStringInfoChar(&listing->path, '/');
	if (strncmp(listing->path.data, listing->prefix, Min(listing->path.len, (int) strlen(listing->prefix))) != 0)
		return true;
	if (push_dir(listing, name))
		return true;
	/* It was removed, or a link or file took its place, since its name was read. */
	if (errno == ENOENT || errno == ENOTDIR)
		return true;
	/* The one directory that root keeps to itself at the top of every file system. */
	if (errno == EACCES && name_pos == 0 && strcmp(listing->path.data, "lost+found/") == 0)
		return true;
	return pass_unreadable(listing, errno, "open directory", error);
}

/* The name of a file that an unfinished put is writing? */
static bool
is_temporary(const char *name)
{
	return begins_with(name, SLM_FILE_TEMP_PREFIX) && ends_with(name, SLM_FILE_TEMP_SUFFIX);
}

/* What an entry of a directory is, as far as its name and type tell. */
typedef enum EntryKind
{
	ENTRY_NOTHING,
	ENTRY_LINK,					/* or anything else that is neither file nor directory */
	ENTRY_LEFT_OUT,
	ENTRY_BEFORE,				/* not wanted again */
	ENTRY_TO_STAT
} EntryKind;

/* The entry is at path already.  temporary: see next_file(). */
static EntryKind
entry_kind(const FileListing *listing, const struct dirent *entry, bool temporary)
{
	const char *name = entry->d_name;
	bool		is_file = entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN;

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return ENTRY_NOTHING;
	if (temporary && is_temporary(name))
		return ENTRY_TO_STAT;
	if (is_file && !begins_with(listing->path.data, listing->prefix))
		return ENTRY_NOTHING;
	if (slm_name_is_passed_over(name, strlen(name)))
		return ENTRY_LEFT_OUT;
	if (is_file && entry->d_type != DT_REG)
		return ENTRY_LINK;
	/* before its stat: a full directory is looked through each second */
	if (entry->d_type == DT_REG && listing->after != NULL && strcmp(listing->path.data, listing->after) <= 0)
		return ENTRY_BEFORE;
	return ENTRY_TO_STAT;
}

/* The next entry of the innermost directory, its path in listing->path; NULL at its end, or with *error set. */
static struct dirent *
next_entry(FileListing *listing, SlmStoreError *error)
{
	struct dirent *entry;

	errno = 0;
	entry = readdir(listing->dirs[listing->depth - 1]);
	listing->path.len = listing->path_len[listing->depth - 1];
	listing->path.data[listing->path.len] = '\0';
	if (entry != NULL)
		appendStringInfoString(&listing->path, entry->d_name);
	else if (errno != 0 && listing->depth == 1)
		slm_store_fail_errno(error, errno, "could not read directory \"%s\"", listing->store->dir);
	else if (errno != 0)
		(void) pass_unreadable(listing, errno, "read directory", error);
	return entry;
}

typedef enum NextEntry
{
	ENTRY_FILE,
	ENTRY_END,
	ENTRY_ERROR
} NextEntry;

/*
 * The next regular file whose path begins with the prefix: its path is in listing->path.  temporary: only the files
 * of unfinished puts are wanted, whatever the path.
 */
static NextEntry
next_file(FileListing *listing, bool temporary, struct stat *st, SlmStoreError *error)
{
	while (listing->depth > 0)
	{
		int			dir = dirfd(listing->dirs[listing->depth - 1]);
		struct dirent *entry = next_entry(listing, error);
		EntryKind	kind;

		CHECK_FOR_INTERRUPTS();
		if (error->kind != SLM_STORE_OK)
			return ENTRY_ERROR;
		if (entry == NULL)
		{
			pop_dir(listing);
			continue;
		}
		kind = entry_kind(listing, entry, temporary);
		if (kind == ENTRY_LEFT_OUT || kind == ENTRY_LINK)
			pass_over(listing, kind == ENTRY_LINK ? SLM_PASS_LINK : SLM_PASS_NAME, NULL);
		if (kind != ENTRY_TO_STAT)
			continue;
		if (entry->d_type != DT_DIR && fstatat(dir, entry->d_name, st, AT_SYMLINK_NOFOLLOW) < 0)
		{
			if (errno != ENOENT && !pass_unreadable(listing, errno, "stat file", error))
				return ENTRY_ERROR;
			continue;
		}
		if (entry->d_type == DT_DIR || S_ISDIR(st->st_mode))
		{
			if (!descend(listing, entry->d_name, error))
				return ENTRY_ERROR;
			continue;
		}
		if (!S_ISREG(st->st_mode))
			pass_over(listing, SLM_PASS_LINK, NULL);
		else if (temporary ? is_temporary(entry->d_name) : begins_with(listing->path.data, listing->prefix))
			return ENTRY_FILE;
	}
	return ENTRY_END;
}

static TimestampTz
timestamp_of(const struct timespec *ts)
{
	return time_t_to_timestamptz(ts->tv_sec) + ts->tv_nsec / 1000;
}

/* What can't even be begun says so at the first call for its objects. */
typedef struct FileList
{
	SlmListing	listing;
	FileListing *tree;			/* NULL: not begun, or at its end */
	char	   *prefix;
	char	   *start_after;
	bool		begun;
} FileList;

SlmListing *
slm_file_list_begin(SlmStore *base, const char *prefix, const char *start_after)
{
	FileList   *list = MemoryContextAllocZero(base->context, sizeof(FileList));

	list->prefix = MemoryContextStrdup(base->context, prefix);
	list->start_after = start_after ? MemoryContextStrdup(base->context, start_after) : NULL;
	return &list->listing;
}

/* Hand out a file; false when the callback has had enough. */
static bool
hand_out(FileListing *tree, const struct stat *st, SlmListCallback callback, void *arg)
{
	char		etag[SLM_FILE_ETAG_SIZE];
	SlmObjectInfo info = {
		.key = tree->path.data + strlen(tree->store->store.key_prefix),
		.etag = etag,
		.size = st->st_size,
		.last_modified = timestamp_of(&st->st_mtim),
	};

	if (tree->after != NULL && strcmp(tree->path.data, tree->after) <= 0)
		return true;
	slm_file_etag(st, etag);
	return callback(&info, arg);
}

static void
end_tree(FileList *list)
{
	if (list->tree != NULL)
		end_listing(list->tree);
	list->tree = NULL;
}

SlmListingStatus
slm_file_list_next(SlmListing *listing, long wait_ms, SlmListCallback callback, void *arg, int *requests,
				   SlmStoreError *error)
{
	FileList   *list = (FileList *) listing;
	NextEntry	next;
	struct stat st;

	if (!list->begun)
	{
		list->begun = true;
		(*requests)++;
		list->tree = begin_listing((SlmFileStore *) listing->store, list->prefix, list->start_after, error);
		if (list->tree == NULL)
			return SLM_LISTING_ERROR;
		list->tree->wanted = listing;
	}
	for (int i = 0; i < FILES_AT_ONCE && list->tree != NULL; i++)
	{
		next = next_file(list->tree, false, &st, error);
		if (next == ENTRY_ERROR)
			return SLM_LISTING_ERROR;
		if (next == ENTRY_END || !hand_out(list->tree, &st, callback, arg))
			end_tree(list);
	}
	return list->tree == NULL ? SLM_LISTING_END : SLM_LISTING_MORE;
}

void
slm_file_list_end(SlmListing *listing)
{
	FileList   *list = (FileList *) listing;

	end_tree(list);
	pfree(list->prefix);
	if (list->start_after != NULL)
		pfree(list->start_after);
	pfree(list);
}

bool
slm_file_abort_uploads(SlmStore *base, const char *prefix, TimestampTz before, int *aborted, SlmStoreError *error)
{
	SlmFileStore *store = (SlmFileStore *) base;
	char	   *full = psprintf("%s%s", store->store.key_prefix, prefix);
	char	   *slash = strrchr(full, '/');
	FileListing *listing;
	NextEntry	next;
	struct stat st;

	/* A temporary file bears no trace of its object's name, so all of the directories that the prefix names count. */
	if (slash)
		slash[1] = '\0';
	listing = begin_listing(store, slash ? full + strlen(store->store.key_prefix) : "", NULL, error);
	if (listing == NULL)
		return false;
	while ((next = next_file(listing, true, &st, error)) == ENTRY_FILE)
	{
		int			dir = dirfd(listing->dirs[listing->depth - 1]);

		if (timestamp_of(&st.st_mtim) >= before)
			continue;
		if (unlinkat(dir, listing->path.data + listing->path_len[listing->depth - 1], 0) == 0)
			(*aborted)++;
		else if (errno != ENOENT)
		{
			slm_store_fail_errno(error, errno, "could not remove file \"%s%s\"", store->dir,
								 slm_store_display(listing->path.data));
			next = ENTRY_ERROR;
			break;
		}
	}
	end_listing(listing);
	return next != ENTRY_ERROR;
}
