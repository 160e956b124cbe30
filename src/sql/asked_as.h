/*
 * asked_as.h: whoever asks this database as a node of others says which slice he takes it to have.
 */
#ifndef SLM_SQL_ASKED_AS_H
#define SLM_SQL_ASKED_AS_H

/* Check it from now on, in this process; called once, from _PG_init. */
extern void slm_asked_as_init(void);

#endif							/* SLM_SQL_ASKED_AS_H */
