/*
 * overrides.h: categories and brands that count instead of those that came, as one backend knows them.
 */
#ifndef SLM_DEDUP_OVERRIDES_H
#define SLM_DEDUP_OVERRIDES_H

#include "postgres.h"
#include "pure/dictionary.h"

typedef struct SlmOverrides SlmOverrides;

/* Those that this process has read last: the same number, the same overrides. */
extern int64 slm_overrides_stamp;

/* None, in the current memory context; to be refreshed before use.  What it holds goes with the context. */
extern SlmOverrides *slm_overrides_create(void);

/* Read sellometer.category_overrides and sellometer.overridden_brands if they have changed; true if so: dictionaries that use it are then of no use.  Needs SPI. */
extern bool slm_overrides_refresh(SlmOverrides *overrides);

/* Have a new dictionary use them, as long as they are not refreshed with another result. */
extern void slm_overrides_apply(SlmOverrides *overrides, SlmDictionary *dictionary);

#endif							/* SLM_DEDUP_OVERRIDES_H */
