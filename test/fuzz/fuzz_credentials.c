/*
 * fuzz_credentials.c: shared files with profiles, commands in them, and XML of STS.
 */
#include <stdlib.h>
#include <string.h>

#include "store/credentials_parse.h"
#include "store/sts_xml.h"

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

/* As many words as are said, within the room that is promised. */
static void
check_command(const char *text, size_t size)
{
	char	   *out = malloc(size + 1);
	const char *word = out;
	int			words = slm_split_command(text, size, out);

	for (int i = 0; i < words; i++)
	{
		check(word <= out + size);
		word += strnlen(word, (size_t) (out + size - word)) + 1;
	}
	free(out);
}

static void
check_sts(const char *text, size_t size)
{
	static SlmStsAnswer answer;

	(void) slm_sts_parse(text, size, &answer);
	check(strnlen(answer.access_key, sizeof(answer.access_key)) < sizeof(answer.access_key));
	check(strnlen(answer.session_token, sizeof(answer.session_token)) < sizeof(answer.session_token));
	check(strnlen(answer.message, sizeof(answer.message)) < sizeof(answer.message));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const profiles[] = {"default", "x", ""};
	char	   *text = malloc(size + (size == 0));
	SlmProfile	profile;

	memcpy(text, data, size);
	for (size_t i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++)
		for (int is_config = 0; is_config < 2; is_config++)
		{
			slm_profile_parse(text, size, profiles[i], is_config, &profile);
			for (int s = 0; s < SLM_PROFILE_SETTINGS; s++)
			{
				check_slice(profile.values[s], text, size);
				check(profile.found || profile.values[s].data == NULL);
			}
			check(profile.found || profile.unsupported == NULL);
		}
	check_command(text, size);
	check_sts(text, size);
	free(text);
	return 0;
}
