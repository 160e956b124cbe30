/*
 * fuzz_credentials.c: shared files with profiles, and JSON of metadata services.
 */
#include <stdlib.h>
#include <string.h>

#include "store/credentials_parse.h"

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool ok)
{
	if (!ok)
		abort();
}

/* A slice lies within the text, and holds no end of line. */
static void
check_slice(SlmSlice slice, const char *text, size_t size)
{
	if (slice.data == NULL)
		return;
	check(slice.data >= text && slice.data + slice.len <= text + size);
	check(slice.len == 0 || memchr(slice.data, '\n', slice.len) == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {"AccessKeyId", "SecretAccessKey", "Token", "Expiration", ""};
	static const char *const profiles[] = {"default", "x", ""};
	char	   *text = malloc(size + (size == 0));
	SlmProfile	profile;

	memcpy(text, data, size);
	for (size_t i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++)
		for (int is_config = 0; is_config < 2; is_config++)
		{
			slm_profile_parse(text, size, profiles[i], is_config, &profile);
			check_slice(profile.access_key, text, size);
			check_slice(profile.secret_key, text, size);
			check_slice(profile.session_token, text, size);
			check_slice(profile.region, text, size);
			check_slice(profile.endpoint_url, text, size);
			check(profile.found || (profile.access_key.data == NULL && profile.unsupported == NULL));
		}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		for (size_t room = 1; room <= 64; room += 21)
		{
			char		out[64];

			if (slm_json_string(text, size, names[i], out, room))
				check(strnlen(out, room) < room);
		}
	free(text);
	return 0;
}
