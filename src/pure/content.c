/*
 * content.c: see content.h.
 */
#include "pure/content.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
/* Where the library was built to choose by the processor, these take the place of the functions for any processor. */
#if defined(__x86_64__) && __has_include(<xxh_x86dispatch.h>)
#include <xxh_x86dispatch.h>
#endif

struct SlmContent
{
	XXH3_state_t *state;		/* refers to the secret */
	uint8_t		secret[SLM_CONTENT_SECRET];
};

SlmContent *
slm_content_create(const uint8_t *secret)
{
	SlmContent *content = calloc(1, sizeof(SlmContent));

	if (content == NULL)
		return NULL;
	memcpy(content->secret, secret, sizeof(content->secret));
	/* allocated by the library, as it wants more than the usual alignment */
	content->state = XXH3_createState();
	if (content->state == NULL || XXH3_128bits_reset_withSecret(content->state, content->secret, sizeof(content->secret)) != XXH_OK)
	{
		slm_content_free(content);
		return NULL;
	}
	return content;
}

void
slm_content_free(SlmContent *content)
{
	if (content == NULL)
		return;
	XXH3_freeState(content->state);
	free(content);
}

void
slm_content_add(SlmContent *content, const void *bytes, size_t len)
{
	(void) XXH3_128bits_update(content->state, bytes, len);
}

void
slm_content_sum(const SlmContent *content, uint8_t *sum)
{
	XXH128_canonical_t canonical;

	XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(content->state));
	memcpy(sum, canonical.digest, SLM_CONTENT_SIZE);
}
