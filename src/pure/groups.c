/*
 * groups.c: events counted by (minute, type, offer): a hash table of small tables, all with open addressing and linear probing.
 */
#include "pure/groups.h"

#include <stdlib.h>
#include <string.h>

#include "pure/assert.h"
#include "pure/interner.h"

#define MIN_SLOTS	8			/* of a minute: one cache line */
#define MIN_INDEX	64

static inline uint32_t
hash(uint32_t value)
{
	return (uint32_t) ((value * UINT64_C(0x9E3779B97F4A7C15)) >> 32);
}

/* --- one minute --- */

static inline SlmGroupSlot *
find_slot(const SlmMinute *minute, uint32_t name)
{
	uint32_t	mask = minute->nslots - 1;

	SLM_ASSERT(name != 0);
	SLM_ASSERT(minute->nslots > 0 && (minute->nslots & mask) == 0);

	for (uint32_t s = hash(name) & mask;; s = (s + 1) & mask)
	{
		SlmGroupSlot *slot = &minute->slots[s];

		if (slot->name == name || slot->name == 0)
			return slot;
	}
}

/* For a minute that begins: room for as many as the others have on average. */
static uint32_t
first_slots(const SlmGroups *groups)
{
	uint32_t	nslots = MIN_SLOTS;

	while (nslots / 4 * 3 <= groups->ngroups / groups->nminutes)
		nslots *= 2;
	return nslots;
}

static bool
grow_minute(SlmGroups *groups, SlmMinute *minute)
{
	SlmMinute	bigger = *minute;

	if (minute->nslots > UINT32_MAX / 4)
		return false;
	bigger.nslots = minute->nslots ? minute->nslots * 2 : first_slots(groups);
	bigger.slots = calloc(bigger.nslots, sizeof(SlmGroupSlot));
	if (bigger.slots == NULL)
		return false;
	for (uint32_t i = 0; i < minute->nslots; i++)
	{
		if (minute->slots[i].name != 0)
			*find_slot(&bigger, minute->slots[i].name) = minute->slots[i];
	}
	groups->memory += (bigger.nslots - minute->nslots) * sizeof(SlmGroupSlot);
	free(minute->slots);
	*minute = bigger;
	return true;
}

static inline bool
count_slot(SlmGroups *groups, SlmMinute *minute, uint32_t name, int32_t by)
{
	SlmGroupSlot *slot;

	if (minute->ngroups >= minute->nslots / 4 * 3 && !grow_minute(groups, minute))
		return false;
	slot = find_slot(minute, name);
	if (slot->name == 0)
	{
		slot->name = name;
		minute->ngroups++;
		groups->ngroups++;
	}
	if (__builtin_add_overflow(slot->count, by, &slot->count))
		groups->overflow = true;
	return true;
}

/* --- all minutes --- */

/* Where a minute's number stands, or would. */
static uint32_t *
find_index(const SlmGroups *groups, int32_t minute)
{
	uint32_t	mask = groups->nindex - 1;

	SLM_ASSERT(groups->nindex > 0 && (groups->nindex & mask) == 0);

	for (uint32_t i = hash((uint32_t) minute) & mask;; i = (i + 1) & mask)
	{
		uint32_t   *at = &groups->index[i];

		if (*at == 0 || groups->minutes[*at - 1].minute == minute)
			return at;
	}
}

static bool
grow_index(SlmGroups *groups)
{
	uint32_t	nindex = groups->nindex ? groups->nindex * 2 : MIN_INDEX;
	uint32_t   *index = calloc(nindex, sizeof(uint32_t));

	if (index == NULL)
		return false;
	groups->memory += (nindex - groups->nindex) * sizeof(uint32_t);
	free(groups->index);
	groups->index = index;
	groups->nindex = nindex;
	for (uint32_t i = 0; i < groups->nminutes; i++)
		*find_index(groups, groups->minutes[i].minute) = i + 1;
	return true;
}

/* The number of a minute that has none, with an empty table; UINT32_MAX if out of memory. */
static uint32_t
add_minute(SlmGroups *groups, int32_t minute)
{
	if (groups->nminutes >= groups->nindex / 2 && !grow_index(groups))
		return UINT32_MAX;
	if (groups->nminutes == groups->nused)
	{
		if (!slm_grow((void **) &groups->minutes, groups->nused, &groups->maxminutes, sizeof(SlmMinute)))
			return UINT32_MAX;
		groups->minutes[groups->nused++] = (SlmMinute) {0};
	}
	groups->minutes[groups->nminutes].minute = minute;
	*find_index(groups, minute) = groups->nminutes + 1;
	return groups->nminutes++;
}

/* The table of a minute, or NULL if out of memory. */
static inline SlmMinute *
minute_table(SlmGroups *groups, int32_t minute)
{
	if (groups->last >= groups->nminutes || groups->minutes[groups->last].minute != minute)
	{
		uint32_t	at = groups->nindex == 0 ? 0 : *find_index(groups, minute);

		groups->last = at == 0 ? add_minute(groups, minute) : at - 1;
	}
	return groups->last == UINT32_MAX ? NULL : &groups->minutes[groups->last];
}

bool
slm_groups_count(SlmGroups *groups, int32_t minute, SlmOfferId offer, uint8_t type, int32_t by)
{
	SlmMinute  *table = minute_table(groups, minute);

	SLM_ASSERT(offer < SLM_MAX_OFFERS);
	SLM_ASSERT(type < SLM_EVENT_TYPES);

	return table != NULL && count_slot(groups, table, offer * SLM_EVENT_TYPES + type + 1, by);
}

/* An empty table and one that is not change places. */
static void
swap_tables(SlmGroups *groups, SlmMinute *empty, SlmGroups *others, SlmMinute *full)
{
	SlmMinute	taken = *full;

	SLM_ASSERT(empty->ngroups == 0);
	SLM_ASSERT(empty->minute == full->minute);

	groups->memory += taken.nslots * sizeof(SlmGroupSlot);
	groups->memory -= empty->nslots * sizeof(SlmGroupSlot);
	others->memory += empty->nslots * sizeof(SlmGroupSlot);
	others->memory -= taken.nslots * sizeof(SlmGroupSlot);
	groups->ngroups += taken.ngroups;
	*full = *empty;
	*empty = taken;
}

bool
slm_groups_take(SlmGroups *groups, SlmGroups *others)
{
	SLM_ASSERT(groups != others);
	for (uint32_t m = 0; m < others->nminutes; m++)
	{
		SlmMinute  *from = &others->minutes[m];
		SlmMinute  *to = minute_table(groups, from->minute);

		if (to == NULL)
			return false;
		if (to->ngroups == 0)
		{
			swap_tables(groups, to, others, from);
			continue;
		}
		for (uint32_t i = 0; i < from->nslots; i++)
		{
			if (from->slots[i].name != 0 && !count_slot(groups, to, from->slots[i].name, from->slots[i].count))
				return false;
		}
	}
	groups->overflow |= others->overflow;
	slm_groups_reset(others);
	return true;
}

bool
slm_groups_next(SlmGroupScan *scan, SlmGroup *group)
{
	for (; scan->minute < scan->groups->nminutes; scan->minute++, scan->slot = 0)
	{
		const SlmMinute *minute = &scan->groups->minutes[scan->minute];

		while (scan->slot < minute->nslots)
		{
			const SlmGroupSlot *slot = &minute->slots[scan->slot++];

			if (slot->name == 0)
				continue;
			*group = slm_group_of(minute, slot);
			return true;
		}
	}
	return false;
}

void
slm_groups_reset(SlmGroups *groups)
{
	for (uint32_t m = 0; m < groups->nminutes; m++)
	{
		SlmMinute  *minute = &groups->minutes[m];

		if (minute->nslots > 0)
			memset(minute->slots, 0, minute->nslots * sizeof(SlmGroupSlot));
		minute->ngroups = 0;
	}
	if (groups->nindex > 0)
		memset(groups->index, 0, groups->nindex * sizeof(uint32_t));
	groups->nminutes = 0;
	groups->ngroups = 0;
	groups->overflow = false;
}

void
slm_groups_free(SlmGroups *groups)
{
	for (uint32_t m = 0; m < groups->nused; m++)
		free(groups->minutes[m].slots);
	free(groups->minutes);
	free(groups->index);
	*groups = (SlmGroups) {0};
}

size_t
slm_groups_memory(const SlmGroups *groups)
{
	return groups->memory + groups->maxminutes * sizeof(SlmMinute);
}
