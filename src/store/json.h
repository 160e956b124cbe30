/*
 * json.h: members of a JSON object, as credentials come in, by the server's own parser.
 */
#ifndef SLM_STORE_JSON_H
#define SLM_STORE_JSON_H

/*
 * The string value of a member of a JSON object (not of the objects in it), decoded, with a NUL.  Returns false if the text is no JSON
 * object, has no such member, or the value is no string, holds a NUL, doesn't fit, or is escaped where it isn't ASCII.  What the parser
 * had in memory is overwritten.
 */
extern bool slm_json_string(const char *json, size_t len, const char *name, char *out, size_t out_size);

/* Whether that member is just this number, written plainly. */
extern bool slm_json_is_number(const char *json, size_t len, const char *name, const char *number);

#endif							/* SLM_STORE_JSON_H */
