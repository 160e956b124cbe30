/*
 * pseudonym.h: what stands for a session, or an event's id, whose name is to be forgotten.
 *
 * Which views count hangs on sessions, so an archive can't just lose them.  A pseudonym holds the fingerprint that the session and the
 * row's product had, and gives it back: nothing that was summed up or is known changes, and nobody can tell from it what the session was
 * called, nor which pseudonyms of other products were the same one.
 *
 *   forgotten:<fingerprint><mark>     each 16 hexadecimal digits
 *
 * The mark is a hash of the fingerprint with the database's secret.  So whoever writes event files can't choose fingerprints: text
 * that only looks like a pseudonym is a session like any other.
 */
#ifndef SLM_PURE_PSEUDONYM_H
#define SLM_PURE_PSEUDONYM_H

#include "pure/hash.h"

/* The pseudonym for a session (not empty) that looks at a product. */
extern void slm_pseudonym_write(const SlmHashKey *key, SlmSlice session, int64_t product_id, char out[SLM_PSEUDONYM_LEN]);

/* The same for the id (not empty) of an event of a type, with a product: it counts once per this pseudonym, as it did per id. */
extern void slm_pseudonym_write_id(const SlmHashKey *key, SlmSlice event_id, int64_t product_id, uint32_t type, char out[SLM_PSEUDONYM_LEN]);

#endif							/* SLM_PURE_PSEUDONYM_H */
