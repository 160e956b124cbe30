/*
 * tier_relations.h: the tables and views of a tier, and how they belong to the extension.
 */
#ifndef SLM_UPKEEP_TIER_RELATIONS_H
#define SLM_UPKEEP_TIER_RELATIONS_H

#include "postgres.h"

/*
 * With SPI: the tables and views of a tier go with the extension from now on, and belong to whom the table of tiers belongs
 * to.  They must exist, and not be members of the extension.
 */
extern void slm_tier_bind(const char *name);

/*
 * Likewise of a tier that CREATE EXTENSION makes: they are members of the extension again.  pg_dump must leave out what they look like, as
 * they are there when the rest is restored.
 */
extern void slm_tier_join(const char *name);

/* With SPI: drop those of one kind ('t' or 'v') by a command ("DROP TABLE").  The default tiers' leave the extension first. */
extern void slm_tier_drop_relations(const char *name, char kind, const char *command);

/* Both for what a function of the schema, which is named, lists of a tier or dimension. */
extern void slm_bind_relations(const char *function, const char *of);
extern void slm_drop_relations(const char *function, const char *of, char kind, const char *command);

#endif							/* SLM_UPKEEP_TIER_RELATIONS_H */
