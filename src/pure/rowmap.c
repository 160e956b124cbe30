/*
 * rowmap.c: of which object each row of an archive is.
 */
#include "pure/rowmap.h"

#include <stdlib.h>
#include <string.h>

#include "pure/assert.h"

#define MAX_VARINT	10

/* Deflate what is there; finish: to the end. */
static bool
flush(SlmRowMap *map, bool finish)
{
	int			rc;

	if (!map->ready)
	{
		memset(&map->stream, 0, sizeof(map->stream));
		if (deflateInit(&map->stream, Z_BEST_COMPRESSION) != Z_OK)
			return false;
		map->ready = true;
	}
	map->stream.next_in = map->plain;
	map->stream.avail_in = (uInt) map->nplain;
	do
	{
		if (map->size - map->len < sizeof(map->plain))
		{
			size_t		size = 2 * map->size + 2 * sizeof(map->plain);
			char	   *bigger = realloc(map->data, size);

			if (bigger == NULL)
				return false;
			map->data = bigger;
			map->size = size;
		}
		map->stream.next_out = (Bytef *) map->data + map->len;
		map->stream.avail_out = sizeof(map->plain);
		rc = deflate(&map->stream, finish ? Z_FINISH : Z_NO_FLUSH);
		map->len += sizeof(map->plain) - map->stream.avail_out;
	} while (map->stream.avail_out == 0);
	map->nplain = 0;
	return rc != Z_STREAM_ERROR;
}

static void
put_varint(SlmRowMap *map, uint64_t v)
{
	SLM_ASSERT(map->nplain + MAX_VARINT <= sizeof(map->plain));
	for (; v >= 0x80; v >>= 7)
		map->plain[map->nplain++] = (uint8_t) (v | 0x80);
	map->plain[map->nplain++] = (uint8_t) v;
}

static bool
end_run(SlmRowMap *map)
{
	if (map->run == 0)
		return true;
	if (map->nplain + 2 * MAX_VARINT > sizeof(map->plain) && !flush(map, false))
		return false;
	put_varint(map, map->kind);
	put_varint(map, map->run);
	map->run = 0;
	return true;
}

bool
slm_row_map_add(SlmRowMap *map, uint32_t object, bool counted)
{
	uint64_t	kind = (uint64_t) object << 1 | counted;

	if (kind != map->kind)
	{
		if (!end_run(map))
			return false;
		map->kind = kind;
	}
	map->run++;
	return true;
}

bool
slm_row_map_finish(SlmRowMap *map)
{
	return end_run(map) && flush(map, true);
}

void
slm_row_map_free(SlmRowMap *map)
{
	if (map->ready)
		deflateEnd(&map->stream);
	free(map->data);
	memset(map, 0, sizeof(*map));
}

/* --- reading --- */

bool
slm_row_map_read(SlmRowMapReader *reader, const char *data, size_t len)
{
	memset(reader, 0, sizeof(*reader));
	reader->ready = inflateInit(&reader->stream) == Z_OK;
	reader->stream.next_in = (Bytef *) (uintptr_t) data;
	reader->stream.avail_in = (uInt) len;
	return reader->ready;
}

/* The next byte of the inflated map, or -1. */
static int
next_byte(SlmRowMapReader *reader)
{
	if (reader->at == reader->nplain)
	{
		int			rc;

		reader->stream.next_out = reader->plain;
		reader->stream.avail_out = sizeof(reader->plain);
		rc = inflate(&reader->stream, Z_NO_FLUSH);
		reader->at = 0;
		reader->nplain = rc == Z_OK || rc == Z_STREAM_END ? sizeof(reader->plain) - reader->stream.avail_out : 0;
		if (reader->nplain == 0)
			return -1;
	}
	return reader->plain[reader->at++];
}

static bool
get_varint(SlmRowMapReader *reader, uint64_t *v)
{
	*v = 0;
	for (int shift = 0; shift < 64; shift += 7)
	{
		int			c = next_byte(reader);

		if (c < 0)
			return false;
		*v |= (uint64_t) (c & 0x7F) << shift;
		if (c < 0x80)
			return true;
	}
	return false;
}

bool
slm_row_map_next(SlmRowMapReader *reader, uint32_t *object, bool *counted)
{
	SLM_ASSERT(reader->ready);
	if (reader->run == 0 && (!get_varint(reader, &reader->kind) || !get_varint(reader, &reader->run) ||
							 reader->run == 0 || reader->kind >> 33 != 0))
		return false;
	reader->run--;
	*object = (uint32_t) (reader->kind >> 1);
	*counted = (reader->kind & 1) != 0;
	return true;
}

void
slm_row_map_close(SlmRowMapReader *reader)
{
	if (reader->ready)
		inflateEnd(&reader->stream);
	reader->ready = false;
}
