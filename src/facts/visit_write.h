/*
 * visit_write.h: sessions, buyers and orders, where they are counted: sellometer.visit_log and what follows from it.
 */
#ifndef SLM_FACTS_VISIT_WRITE_H
#define SLM_FACTS_VISIT_WRITE_H

#include "postgres.h"
#include "datatype/timestamp.h"
#include "pure/dictionary.h"
#include "pure/visits.h"

/* Are they counted?  What is said holds until the end of the transaction. */
extern bool slm_visits_wanted(void);

/* From when on what sessions did is known, so that it can be corrected; DT_NOEND if they are not counted. */
extern TimestampTz slm_visits_from(void);

/*
 * Under the writer's lock: add a set, which is sorted for it, and whose keys are tuples of the dictionary.  An error, so that it is tried again, if they are counted but the set is not
 * wanted, as it was begun before.
 */
extern void slm_visits_write(SlmVisits *visits, SlmDictionary *dictionary);

/*
 * Under the writer's lock: take out a set, and add what others have of its sessions' minutes and purchases.
 */
extern void slm_visits_rewrite(SlmVisits *old, SlmVisits *others, SlmDictionary *dictionary);

#endif							/* SLM_FACTS_VISIT_WRITE_H */
