/*
 * source_internal.h: the set of sources, as those who keep it (source.c) and list them (discovery.c) share it.
 */
#ifndef SLM_LEDGER_SOURCE_INTERNAL_H
#define SLM_LEDGER_SOURCE_INTERNAL_H

#include "ledger/source.h"

struct SlmSources
{
	MemoryContext context;
	SlmSource **items;
	int			n;
	int			max;
	uint32		round;
	uint64		changes_seen;	/* of definitions, when the stores were opened */
	uint64		role_changes_seen;	/* 0: the owners have not been looked at yet */
	MemoryContext retired;		/* sources that went in the last round; transfers may still be open there */
	bool		held;			/* and stay so for longer */
	int			long_list_at;	/* of those with long lists whose turn it was last */
};

#endif							/* SLM_LEDGER_SOURCE_INTERNAL_H */
