/*
 * asked_calls.h: what sellometer.partial_results changes.
 */
#ifndef SLM_ASKED_CALLS_H
#define SLM_ASKED_CALLS_H

/* The setting: are sums made of the nodes that can be asked, where not all can be? */
extern bool slm_partial_results;

/* Its assign hook: plans were made for the value that it had. */
extern void slm_partial_results_assign(bool value, void *extra);

#endif							/* SLM_ASKED_CALLS_H */
