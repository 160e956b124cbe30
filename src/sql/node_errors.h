/*
 * node_errors.h: whatever goes wrong on a node is told with its name.
 */
#ifndef SLM_SQL_NODE_ERRORS_H
#define SLM_SQL_NODE_ERRORS_H

/* From now on, in this process; called once, from _PG_init. */
extern void slm_node_errors_init(void);

#endif							/* SLM_SQL_NODE_ERRORS_H */
