/*
 * event_type.h: the enum sellometer.event_type, as oids.
 */
#ifndef SLM_TYPES_EVENT_TYPE_H
#define SLM_TYPES_EVENT_TYPE_H

#include "postgres.h"
#include "pure/types.h"

/* The oid of the type, and of the value of an event type; error if the extension is not there. */
extern Oid	slm_event_type_oid(void);
extern Oid	slm_event_type_value(SlmEventType type);

/* The event type of such a value; error if it is none. */
extern SlmEventType slm_event_type_of(Oid value);

#endif							/* SLM_TYPES_EVENT_TYPE_H */
