/*
 * sha256.h: SHA-256 (FIPS 180-4) of short texts.
 */
#ifndef SLM_PURE_SHA256_H
#define SLM_PURE_SHA256_H

#include "pure/types.h"

/* The first eight bytes of the text's hash, as a number whose highest byte is the first. */
extern uint64_t slm_sha256_first8(SlmSlice text);

#endif							/* SLM_PURE_SHA256_H */
