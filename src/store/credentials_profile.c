/*
 * credentials_profile.c: credentials from a profile of the shared files.
 *
 * The two files are read as one: what both say of a profile, the credentials file says.  Of what a profile has
 *
 *   a role        is followed, whatever keys stand beside it: by web identity, or with the credentials of another profile or place
 *   keys          come next; both halves from the same file
 *   a program     is run last
 *
 * and what leads to credentials in a way that we don't know is an error.
 */
#include "postgres.h"

#include "store/credentials_internal.h"
#include "store/credentials_parse.h"
#include "store/store_internal.h"

/* How many profiles may name each other as their sources. */
#define MAX_CHAIN	8

/* What both files say of a profile.  But for the secrets: those are in keys, to be wiped. */
typedef struct Profile
{
	const char *name;
	char	   *whose;			/* for messages */
	bool		found;
	const char *unsupported;
	char	   *values[SLM_PROFILE_SETTINGS];	/* palloc'd, or NULL; not those of keys */
	SlmCredentials keys;
} Profile;

/* The profiles that have led to one. */
typedef struct Chain
{
	const struct Chain *before;
	const char *name;
	int			length;
	bool		may_run;		/* programs: see slm_credentials_get() */
} Chain;

static char *
copy_slice(SlmSlice slice)
{
	char	   *text;
	char	   *copy;

	if (slice.data == NULL)
		return NULL;
	text = pnstrdup(slice.data, slice.len);
	copy = slm_credentials_copy(text);
	explicit_bzero(text, slice.len);
	pfree(text);
	return copy;
}

/* Add what one file says; the one that is added first counts. */
static void
add_file(Profile *p, bool is_config, const SlmProfile *from)
{
	p->found |= from->found;
	if (p->unsupported == NULL)
		p->unsupported = from->unsupported;
	for (int i = SLM_PROFILE_SESSION_TOKEN + 1; i < SLM_PROFILE_SETTINGS; i++)
		if (p->values[i] == NULL && from->values[i].data != NULL)
			p->values[i] = pnstrdup(from->values[i].data, from->values[i].len);
	if (p->keys.access_key != NULL || p->keys.secret_key != NULL)
		return;
	p->keys.access_key = copy_slice(from->values[SLM_PROFILE_ACCESS_KEY]);
	p->keys.secret_key = copy_slice(from->values[SLM_PROFILE_SECRET_KEY]);
	p->keys.session_token = copy_slice(from->values[SLM_PROFILE_SESSION_TOKEN]);
	snprintf(p->keys.source, sizeof(p->keys.source), "%s of the %s file", p->whose, SLM_PROFILE_FILE(is_config));
}

/* Read a profile.  Wipe p->keys afterwards, also if it fails. */
static bool
read_profile(const char *name, Profile *p, SlmStoreError *error)
{
	memset(p, 0, sizeof(*p));
	p->name = name;
	p->whose = psprintf("profile \"%s\"", slm_store_display(name));
	for (int is_config = 0; is_config < 2; is_config++)
	{
		SlmProfile	profile;
		size_t		len;
		char	   *text = slm_profile_read_file(is_config, &len, error);

		if (error->kind != SLM_STORE_OK)
			return false;
		if (text == NULL)
			continue;
		slm_profile_parse(text, len, name, is_config, &profile);
		add_file(p, is_config, &profile);
		explicit_bzero(text, len);
		pfree(text);
	}
	return true;
}

static SlmCredentialsFound
fail(const Profile *p, const char *what, const char *hint, SlmStoreError *error)
{
	(void) slm_credentials_fail(error, ERRCODE_FEATURE_NOT_SUPPORTED, hint, "P%s %s.", p->whose + 1, what);
	return SLM_CREDENTIALS_FAILED;
}

static SlmCredentialsFound resolve(const char *name, const Chain *before, bool may_run, SlmCredentials *c, SlmStoreError *error);

/* The credentials of a place that a profile names as the source of its role. */
static SlmCredentialsFound
from_place(const Profile *p, const char *place, SlmCredentials *c, SlmStoreError *error)
{
	SlmCredentialsFound found;

	if (strcmp(place, "Environment") == 0)
		found = slm_credentials_of_environment(c, error);
	else if (strcmp(place, "EcsContainer") == 0)
		found = slm_credentials_of_container(c, error);
	else if (strcmp(place, "Ec2InstanceMetadata") == 0)
		found = slm_credentials_of_instance(c, error);
	else
		return fail(p, psprintf("has credential_source = %s, which is not known", slm_store_display(place)),
					"Write Environment, EcsContainer or Ec2InstanceMetadata.", error);
	if (found == SLM_CREDENTIALS_NONE)
		return fail(p, psprintf("has a role to be assumed with the credentials of its credential_source, %s, which has none", place), NULL, error);
	return found;
}

/* The keys that stand in the profile. */
static SlmCredentialsFound
own_keys(Profile *p, SlmCredentials *c, SlmStoreError *error)
{
	if (p->keys.access_key == NULL && p->keys.secret_key == NULL)
		return SLM_CREDENTIALS_NONE;
	if (p->keys.access_key == NULL || p->keys.secret_key == NULL)
		return fail(p, "has only one of aws_access_key_id and aws_secret_access_key", "Give both, in the same file.", error);
	*c = p->keys;
	c->refreshable = true;
	memset(&p->keys, 0, sizeof(p->keys));
	return SLM_CREDENTIALS_FOUND;
}

static SlmCredentialsFound
own_keys_or_program(Profile *p, bool may_run, SlmCredentials *c, SlmStoreError *error)
{
	SlmCredentialsFound found = own_keys(p, c, error);

	if (found == SLM_CREDENTIALS_NONE && p->values[SLM_PROFILE_PROCESS] != NULL)
		found = !may_run ? slm_credentials_refuse_program(error)
			: slm_credentials_of_program(p->values[SLM_PROFILE_PROCESS], p->whose, c, error);
	return found;
}

/* The credentials of the profile that one names as its source; one that names itself means its own keys. */
static SlmCredentialsFound
from_source_profile(Profile *p, const Chain *chain, SlmCredentials *c, SlmStoreError *error)
{
	const char *source = p->values[SLM_PROFILE_SOURCE_PROFILE];
	SlmCredentialsFound found;

	if (strcmp(source, p->name) == 0)
		found = own_keys_or_program(p, chain->may_run, c, error);
	else
		found = resolve(source, chain, chain->may_run, c, error);
	if (found == SLM_CREDENTIALS_NONE)
		return fail(p, psprintf("has a role to be assumed with the credentials of its source_profile, \"%s\", which has none",
								slm_store_display(source)), NULL, error);
	return found;
}

/* Is what the profile says of its role enough, and no more than we can do? */
static SlmCredentialsFound
check_role(const Profile *p, SlmStoreError *error)
{
	int			sources = (p->values[SLM_PROFILE_SOURCE_PROFILE] != NULL) + (p->values[SLM_PROFILE_CREDENTIAL_SOURCE] != NULL) +
		(p->values[SLM_PROFILE_TOKEN_FILE] != NULL);

	if (p->values[SLM_PROFILE_ROLE_ARN] == NULL)
		return fail(p, "has web_identity_token_file, but no role_arn", "Add the role's role_arn.", error);
	if (p->values[SLM_PROFILE_MFA_SERIAL] != NULL)
		return fail(p, "uses mfa_serial, which is not supported: nobody is there to type a code",
					"Use a role that needs none.", error);
	if (sources != 1)
		return fail(p, sources == 0 ? "has role_arn, but says not with which credentials to assume it"
					: "says in more than one way with which credentials to assume its role",
					"Give it one of source_profile, credential_source and web_identity_token_file.", error);
	return SLM_CREDENTIALS_FOUND;
}

static SlmCredentialsFound
from_role(Profile *p, const Chain *chain, SlmCredentials *c, SlmStoreError *error)
{
	SlmRole		role = {
		.arn = p->values[SLM_PROFILE_ROLE_ARN],
		.session_name = p->values[SLM_PROFILE_ROLE_SESSION_NAME],
		.external_id = p->values[SLM_PROFILE_EXTERNAL_ID],
		.duration = p->values[SLM_PROFILE_DURATION],
		.whose = p->whose
	};
	SlmCredentials source = {0};
	SlmCredentialsFound found = check_role(p, error);

	if (found != SLM_CREDENTIALS_FOUND)
		return found;
	if (p->values[SLM_PROFILE_TOKEN_FILE] != NULL)
		return slm_sts_assume_role_with_token(&role, p->values[SLM_PROFILE_TOKEN_FILE], c, error);
	if (p->values[SLM_PROFILE_CREDENTIAL_SOURCE] != NULL)
		found = from_place(p, p->values[SLM_PROFILE_CREDENTIAL_SOURCE], &source, error);
	else
		found = from_source_profile(p, chain, &source, error);
	if (found == SLM_CREDENTIALS_FOUND && !slm_credentials_check(&source, error))
		found = SLM_CREDENTIALS_FAILED;
	if (found == SLM_CREDENTIALS_FOUND)
	{
		PG_TRY();
		{
			found = slm_sts_assume_role(&role, &source, c, error);
		}
		PG_FINALLY();
		{
			slm_credentials_wipe(&source);
		}
		PG_END_TRY();
	}
	return found;
}

/* The credentials of a profile that was read. */
static SlmCredentialsFound
from_profile(Profile *p, const Chain *chain, SlmCredentials *c, SlmStoreError *error)
{
	static const struct
	{
		int			setting;
		const char *name;
	}			of_role[] = {
		{SLM_PROFILE_SOURCE_PROFILE, "source_profile"},
		{SLM_PROFILE_CREDENTIAL_SOURCE, "credential_source"},
		{SLM_PROFILE_MFA_SERIAL, "mfa_serial"}
	};
	SlmCredentialsFound found;

	if (p->values[SLM_PROFILE_ROLE_ARN] != NULL || p->values[SLM_PROFILE_TOKEN_FILE] != NULL)
		return from_role(p, chain, c, error);
	if (p->unsupported != NULL)
		return fail(p, psprintf("uses %s, which is not supported", p->unsupported),
					"Give the profile a role, credential_process, or aws_access_key_id and aws_secret_access_key, or create a user mapping.",
					error);
	found = own_keys_or_program(p, chain->may_run, c, error);
	for (int i = 0; found == SLM_CREDENTIALS_NONE && i < lengthof(of_role); i++)
	{
		if (p->values[of_role[i].setting] != NULL)
			return fail(p, psprintf("has %s, but no role_arn", of_role[i].name), "Add the role's role_arn.", error);
	}
	return found;
}

static SlmCredentialsFound
resolve(const char *name, const Chain *before, bool may_run, SlmCredentials *c, SlmStoreError *error)
{
	Chain		chain = {before, name, before ? before->length + 1 : 1, may_run};
	Profile		profile;
	SlmCredentialsFound found;

	for (const Chain *link = before; link != NULL; link = link->before)
		if (strcmp(link->name, name) == 0 || chain.length > MAX_CHAIN)
			return slm_credentials_fail(error, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, "Correct source_profile.",
										"The profiles that name one another as their sources have no end: \"%s\" is among them.",
										slm_store_display(name));
	PG_TRY();
	{
		found = read_profile(name, &profile, error) ? from_profile(&profile, &chain, c, error) : SLM_CREDENTIALS_FAILED;
	}
	PG_FINALLY();
	{
		slm_credentials_wipe(&profile.keys);
	}
	PG_END_TRY();
	return found;
}

SlmCredentialsFound
slm_credentials_of_profile(bool may_run, SlmCredentials *c, SlmStoreError *error)
{
	SlmCredentialsFound found = resolve(slm_profile_name(), NULL, may_run, c, error);

	if (found != SLM_CREDENTIALS_NONE || !slm_profile_was_asked_for())
		return found;
	slm_store_fail(error, SLM_STORE_DENIED, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, "no S3 credentials were found");
	error->detail = psprintf("There are none in profile \"%s\".", slm_store_display(slm_profile_name()));
	error->hint = pstrdup("Correct AWS_PROFILE, or the profile in the shared credentials file of the operating"
						  " system's user that runs PostgreSQL.");
	return SLM_CREDENTIALS_FAILED;
}

bool
slm_profile_wants_environment(void)
{
	Profile		profile;
	SlmStoreError ignored;
	bool		ok = read_profile(slm_profile_name(), &profile, &ignored);
	const char *place = profile.values[SLM_PROFILE_CREDENTIAL_SOURCE];

	slm_credentials_wipe(&profile.keys);
	return ok && place != NULL && strcmp(place, "Environment") == 0 && profile.values[SLM_PROFILE_ROLE_ARN] != NULL;
}
