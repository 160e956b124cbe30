/*
 * groups.c: events counted by (minute, type, offer): open addressing, linear probing.
 */
#include "pure/groups.h"

#include "pure/memory.h"

#define MIN_SLOTS	1024
#define AHEAD		16			/* groups between the prefetch of a slot and its use */

/* The slot where the search for a group begins. */
static inline uint64_t
group_slot(const SlmGroups *groups, int32_t minute, SlmOfferId offer, uint8_t type)
{
	uint64_t	h = ((uint64_t) offer << 32 | (uint32_t) minute << 2 | type) * UINT64_C(0x9E3779B97F4A7C15);

	h ^= h >> 29;
	return (uint64_t) (((unsigned __int128) (h * UINT64_C(0xBF58476D1CE4E5B9)) * groups->nslots) >> 64);
}

static SlmGroup *
find_slot(const SlmGroups *groups, int32_t minute, SlmOfferId offer, uint8_t type)
{
	for (uint64_t s = group_slot(groups, minute, offer, type);;)
	{
		SlmGroup   *group = &groups->groups[s];

		if (group->type == SLM_GROUP_FREE ||
			(group->offer == offer && group->minute == minute && group->type == type))
			return group;
		if (++s == groups->nslots)
			s = 0;
	}
}

static bool
grow_groups(SlmGroups *groups)
{
	SlmGroups	bigger = {.nslots = groups->nslots ? groups->nslots * 2 : MIN_SLOTS,.ngroups = groups->ngroups};

	bigger.groups = slm_table_alloc_dirty(bigger.nslots, sizeof(SlmGroup));
	if (bigger.groups == NULL)
		return false;
	for (uint64_t i = 0; i < bigger.nslots; i++)
		bigger.groups[i].type = SLM_GROUP_FREE;
	for (uint64_t i = 0; i < groups->nslots; i++)
	{
		const SlmGroup *group = &groups->groups[i];

		if (group->type != SLM_GROUP_FREE)
			*find_slot(&bigger, group->minute, group->offer, group->type) = *group;
	}
	slm_table_free(groups->groups, groups->nslots, sizeof(SlmGroup));
	*groups = bigger;
	return true;
}

bool
slm_groups_count(SlmGroups *groups, int32_t minute, SlmOfferId offer, uint8_t type, int32_t by)
{
	SlmGroup   *group;

	if (groups->ngroups >= groups->nslots / 4 * 3 && !grow_groups(groups))
		return false;
	group = find_slot(groups, minute, offer, type);
	if (group->type == SLM_GROUP_FREE)
	{
		*group = (SlmGroup) {.minute = minute,.offer = offer,.type = type};
		groups->ngroups++;
	}
	group->count += by;
	return true;
}

void
slm_groups_prefetch(const SlmGroups *groups, int32_t minute, SlmOfferId offer, uint8_t type)
{
	if (groups->nslots > 0)
		__builtin_prefetch(&groups->groups[group_slot(groups, minute, offer, type)], 1);
}

bool
slm_groups_add(SlmGroups *groups, const SlmGroups *others)
{
	for (uint64_t i = 0; i < others->nslots; i++)
	{
		const SlmGroup *group = &others->groups[i];
		const SlmGroup *next = group + AHEAD;

		if (i + AHEAD < others->nslots && next->type != SLM_GROUP_FREE)
			slm_groups_prefetch(groups, next->minute, next->offer, next->type);
		if (group->type != SLM_GROUP_FREE &&
			!slm_groups_count(groups, group->minute, group->offer, group->type, group->count))
			return false;
	}
	return true;
}

void
slm_groups_reset(SlmGroups *groups)
{
	for (uint64_t i = 0; i < groups->nslots; i++)
		groups->groups[i].type = SLM_GROUP_FREE;
	groups->ngroups = 0;
}

void
slm_groups_free(SlmGroups *groups)
{
	slm_table_free(groups->groups, groups->nslots, sizeof(SlmGroup));
	*groups = (SlmGroups) {0};
}
