/*
 * intake.c: the bytes of an object, unpacked, summed, and written anew if they have a format.
 */
#include "pure/intake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool
slm_intake_init(SlmIntake *intake, const uint8_t *secret, const SlmFormat *format)
{
	if (secret != NULL)
		intake->content = slm_content_create(secret);
	if (format != NULL)
	{
		intake->decode = slm_decode_create(format);
		intake->piece = malloc(SLM_CSV_BLOCK);
	}
	return (secret == NULL || intake->content != NULL) && (format == NULL || (intake->decode != NULL && intake->piece != NULL));
}

void
slm_intake_free(SlmIntake *intake)
{
	slm_content_free(intake->content);
	slm_decode_free(intake->decode);
	slm_unpack_free(&intake->unpack);
	free(intake->piece);
}

void
slm_intake_feed(SlmIntake *intake, const void *bytes, size_t len, bool is_last)
{
	intake->in = bytes;
	intake->in_len = len;
	intake->in_last = is_last;
}

uint64_t
slm_intake_ignored(const SlmIntake *intake)
{
	return intake->decode == NULL ? 0 : slm_decode_ignored(intake->decode);
}

static void
fail(SlmIntake *intake, SlmReadErrorCode error)
{
	const char *name = slm_packing_name(intake->unpack.packing);

	intake->error = error;
	if (error == SLM_READ_ERROR_GZIP_SHORT)
		snprintf(intake->message, sizeof(intake->message), "the %s data ends too early", name);
	else if (error == SLM_READ_ERROR_GZIP && slm_unpack_at_end(&intake->unpack))
		snprintf(intake->message, sizeof(intake->message), "there is something behind the %s data that is no %s data", name, name);
	else if (error == SLM_READ_ERROR_GZIP)
		snprintf(intake->message, sizeof(intake->message), "the %s data is damaged", name);
	else
		snprintf(intake->message, sizeof(intake->message), "out of memory");
}

/* Tell the packing by the first bytes; those are set aside, since the caller takes the fed bytes back.  False if they are not there yet. */
static bool
find_packing(SlmIntake *intake)
{
	SlmPacking	packing;

	for (;;)
	{
		if (slm_packing_find(intake->head, intake->nhead, intake->in_last && intake->in_len == 0, &packing))
			break;
		if (intake->in_len == 0)
			return false;
		intake->head[intake->nhead++] = *intake->in++;
		intake->in_len--;
	}
	intake->known = true;
	if (!slm_unpack_init(&intake->unpack, packing))
		fail(intake, SLM_READ_ERROR_MEMORY);
	return true;
}

/* Put up to room plain or unpacked bytes from *in to out; returns how many. */
static size_t
take_bytes(SlmIntake *intake, const uint8_t **in, size_t *in_len, char *out, size_t room)
{
	size_t		taken;

	if (intake->unpack.packing == SLM_PLAIN)
	{
		taken = *in_len < room ? *in_len : room;
		/* an empty feed may come with a null pointer, which memcpy must not see */
		if (taken > 0)
			memcpy(out, *in, taken);
		*in += taken;
		*in_len -= taken;
		return taken;
	}
	switch (slm_unpack_run(&intake->unpack, in, in_len, out, room, &taken))
	{
		case SLM_INFLATE_OK:
			break;
		case SLM_INFLATE_DAMAGED:
			fail(intake, SLM_READ_ERROR_GZIP);
			break;
		case SLM_INFLATE_MEMORY:
			fail(intake, SLM_READ_ERROR_MEMORY);
			break;
	}
	return taken;
}

/* A block of what the object holds.  *ended: that was the last of it. */
static size_t
take_block(SlmIntake *intake, char *out, bool *ended)
{
	size_t		taken = 0;

	if (intake->head_at < intake->nhead)
	{
		const uint8_t *head = intake->head + intake->head_at;
		size_t		left = intake->nhead - intake->head_at;

		taken = take_bytes(intake, &head, &left, out, SLM_CSV_BLOCK);
		intake->head_at = intake->nhead - left;
	}
	if (intake->error == SLM_READ_ERROR_NONE && intake->head_at == intake->nhead)
		taken += take_bytes(intake, &intake->in, &intake->in_len, out + taken, SLM_CSV_BLOCK - taken);
	*ended = intake->in_last && intake->in_len == 0 && intake->error == SLM_READ_ERROR_NONE;
	if (*ended && intake->unpack.packing != SLM_PLAIN)
	{
		/* a full window may have left something inside the library */
		if (taken == SLM_CSV_BLOCK)
			*ended = false;
		else if (!slm_unpack_at_end(&intake->unpack))
		{
			fail(intake, SLM_READ_ERROR_GZIP_SHORT);
			*ended = false;
		}
	}
	/* here the bytes are in the processor's cache */
	if (intake->content != NULL)
		slm_content_add(intake->content, out, taken);
	return taken;
}

/* A block of what has been written anew. */
static size_t
take_decoded(SlmIntake *intake, char *out, bool *ended)
{
	size_t		block;

	while (slm_decode_empty(intake->decode) && !intake->all_decoded && intake->error == SLM_READ_ERROR_NONE)
	{
		size_t		taken = take_block(intake, intake->piece, &intake->all_decoded);
		const char *message;

		if (taken == 0 && !intake->all_decoded)
			break;
		if (!slm_decode_add(intake->decode, intake->piece, taken, intake->all_decoded))
		{
			intake->error = slm_decode_error(intake->decode, &message);
			snprintf(intake->message, sizeof(intake->message), "%s", message);
		}
	}
	block = slm_decode_take(intake->decode, out, SLM_CSV_BLOCK);
	*ended = intake->all_decoded && slm_decode_empty(intake->decode) && intake->error == SLM_READ_ERROR_NONE;
	return block;
}

bool
slm_intake_fill(SlmIntake *intake, char *out, size_t *taken, bool *ended)
{
	*taken = 0;
	*ended = false;
	if (intake->error != SLM_READ_ERROR_NONE && (intake->decode == NULL || slm_decode_empty(intake->decode)))
		return false;
	if (!intake->known && !find_packing(intake))
		return false;
	if (intake->decode != NULL)
		*taken = take_decoded(intake, out, ended);
	else if (intake->error == SLM_READ_ERROR_NONE)
		*taken = take_block(intake, out, ended);
	return *taken > 0 || *ended;
}
