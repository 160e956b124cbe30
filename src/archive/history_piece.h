/*
 * history_piece.h: one archive, or one object that is not archived, read again: each row, and whether it counted.
 */
#ifndef SLM_ARCHIVE_HISTORY_PIECE_H
#define SLM_ARCHIVE_HISTORY_PIECE_H

#include "postgres.h"

#include "ledger/windows.h"
#include "pure/node_slice.h"
#include "pure/reader.h"
#include "pure/rowmap.h"
#include "store/store.h"

/* What became of a row when its object was loaded. */
typedef enum SlmRowFate
{
	SLM_FATE_FOREIGN,			/* its object does not count, or not any more, or is none of those that are asked for */
	SLM_FATE_LEFT_OUT,			/* rejected, or too old */
	SLM_FATE_TAKEN				/* counted, or a view that was counted elsewhere */
} SlmRowFate;

/* Zero-initialised but for what the caller sets: only, leave_out, take, arg.  Lives in the current memory context. */
typedef struct SlmPiece
{
	int64		only;			/* rows of this object alone; 0: of all */
	int64		leave_out;		/* of this one only those from leave_out_rows on */
	int64		leave_out_rows;

	/* Called for each row; false: that is enough. */
	bool		(*take) (struct SlmPiece *piece, const SlmReadRow *row, bool is_event, SlmRowFate fate);
	void	   *arg;

	int64		id;				/* of the archive or object */
	char	   *what;			/* for messages */
	char	   *source;
	char	   *url;			/* NULL: the source was dropped */
	char	   *server;
	Oid			owner;
	char	   *key;
	char	   *etag;
	int64		size;
	int64		end;			/* rows that are to be read; the rest is not loaded yet */
	int64		row;			/* of the row that is taken: its number */
	int64		own_row;		/* likewise, in its object, as it stands there or in its archive */
	uint32		object;			/* likewise, of an archive: the number of its object */

	/* of an archive */
	bytea	   *row_map;
	SlmRowMapReader map;
	int64	   *first_rows;		/* by number of the object: its rows count from this one on */
	int64	   *seen;			/* likewise: rows of it so far */
	char	  **object_rates;	/* likewise: by which its rows were converted, as in the ledger; NULL: none was */
	size_t	   *object_rates_len;
	SlmRates  **rates_of;		/* likewise, read; while the piece is read */
	const SlmSlice **given_of;	/* likewise: what is given of values of own dimensions; NULL: nothing */
	bool		peeked;			/* the row map has told of the row that is read next */
	bool		counted;		/* and so */
	int			nobjects;
	bool		any;			/* of one of them rows count */

	/* of an object */
	int64		first_row;		/* rows before this one were taken out; SLM_HISTORY_END: all */
	TimestampTz first;			/* span of its rows that counted */
	TimestampTz last;
	bool		has_parts;
	int64		format_id;
	SlmWindows	windows;
	const SlmFormat *format;	/* that it was loaded with; an archive has none */
	char	   *rates_data;		/* by which its rows were converted, as in the ledger; NULL: none was */
	size_t		rates_len;
	SlmRates	rates;			/* the same, read; while the piece is read */
	const SlmSlice *given;		/* what is given of values of own dimensions; NULL: nothing */

	SlmReader  *reader;
	SlmNodeSlice slice;			/* rows of other products are foreign, if they counted */
} SlmPiece;

/* What is on record of an archive, or of an object.  An error if it is not.  Needs SPI. */
extern void slm_piece_of_archive(SlmPiece *piece, int64 id);
extern void slm_piece_of_object(SlmPiece *piece, int64 id);

/* Then, before it is read: which of its rows count.  False if none of those that are asked for.  Needs SPI. */
extern bool slm_piece_open(SlmPiece *piece);

/*
 * Read it, and call back for each row.  False if it can't be read: *error says why, *any_read whether bytes of it have come.  An error is
 * raised if it is not what is on record.
 */
extern bool slm_piece_read(SlmPiece *piece, SlmStoreError *error, bool *any_read);

/* Has it gone, or become another? */
static inline bool
slm_piece_is_gone(const SlmStoreError *error)
{
	return error->kind == SLM_STORE_NOT_FOUND || error->kind == SLM_STORE_CHANGED;
}

#endif							/* SLM_ARCHIVE_HISTORY_PIECE_H */
