/*
 * content.h: a keyed 128-bit checksum of what an object holds, taken while it is read.
 *
 * It is XXH3-128 of libxxhash with a secret of the database, over the bytes after inflating: so a file that was packed after
 * it was loaded is the same content still.  With n different contents the chance that any two have the same checksum is below
 * n^2 / 2^129: 1.5e-25 for the ten million objects of twenty years.  XXH3 is no one-way function: before a checksum is
 * shown to anybody, slm_checksum_show() (dedup/checksum.h) makes one of it.
 */
#ifndef SLM_PURE_CONTENT_H
#define SLM_PURE_CONTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SLM_CONTENT_SECRET	192
#define SLM_CONTENT_SIZE	16

typedef struct SlmContent SlmContent;

/* Begin; the secret (SLM_CONTENT_SECRET random bytes) is copied.  NULL if out of memory.  Free with slm_content_free(). */
extern SlmContent *slm_content_create(const uint8_t *secret);
extern void slm_content_free(SlmContent *content);

extern void slm_content_add(SlmContent *content, const void *bytes, size_t len);

/* The checksum of all that was added so far. */
extern void slm_content_sum(const SlmContent *content, uint8_t *sum);

#endif							/* SLM_PURE_CONTENT_H */
