/*
 * credentials_program.c: credential_process: a program that prints credentials.
 *
 * The profile's command is split into words as a shell would, but no shell sees it.  The program gets nothing of ours: no descriptors but
 * its output, no blocked signals, a process group of its own, which is ended as a whole when time is up or whoever waits is told to stop.
 * What it says on standard error may hold anything, so nobody is shown it.
 */
#include "postgres.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/wait_event.h"

#include "compat.h"
#include "store/credentials_internal.h"
#include "store/credentials_parse.h"
#include "store/http.h"
#include "store/json.h"
#include "store/store_internal.h"

#define MAX_SECONDS		60
#define MAX_OUTPUT		((size_t) 64 * 1024)
#define EXIT_POLL_MS	10

extern char **environ;

typedef struct Program
{
	pid_t		pid;			/* also its group's; 0 = none */
	int			output;			/* a pipe's end; -1 = none */
	int			status;			/* of waitpid() */
	bool		too_long;
	bool		too_slow;
} Program;

/* What the program starts with.  Returns an error number. */
static int
spawn(const char *const *argv, int output, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t	none;
	sigset_t	all;
	int			rc;

	sigemptyset(&none);
	sigfillset(&all);
	if ((rc = posix_spawn_file_actions_init(&actions)) != 0)
		return rc;
	if ((rc = posix_spawnattr_init(&attributes)) != 0)
	{
		posix_spawn_file_actions_destroy(&actions);
		return rc;
	}
	if ((rc = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)) == 0 &&
		(rc = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO)) == 0 &&
		(rc = posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0)) == 0 &&
#ifdef SLM_HAVE_CLOSEFROM
		(rc = posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1)) == 0 &&
#endif
		(rc = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF)) == 0 &&
		(rc = posix_spawnattr_setpgroup(&attributes, 0)) == 0 &&
		(rc = posix_spawnattr_setsigmask(&attributes, &none)) == 0 &&
		(rc = posix_spawnattr_setsigdefault(&attributes, &all)) == 0)
		rc = posix_spawnp(pid, argv[0], &actions, &attributes, (char *const *) argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return rc;
}

/* Returns an error number. */
static int
start(Program *program, const char *const *argv)
{
	int			ends[2];
	int			rc;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return errno;
	rc = spawn(argv, ends[1], &program->pid);
	close(ends[1]);
	if (rc == 0)
	{
		program->output = ends[0];
		(void) fcntl(program->output, F_SETFL, O_NONBLOCK);
		return 0;
	}
	close(ends[0]);
	program->pid = 0;
	return rc;
}

/* End what still runs of it, with all that it has started. */
static void
stop(Program *program)
{
	if (program->output >= 0)
		close(program->output);
	program->output = -1;
	if (program->pid == 0)
		return;
	kill(-program->pid, SIGKILL);
	while (waitpid(program->pid, &program->status, 0) < 0 && errno == EINTR)
		;
	program->pid = 0;
}

static void
stop_at_exit(int code, Datum program)
{
	(void) code;
	stop((Program *) DatumGetPointer(program));
}

static void
wait_for(Program *program, int events, long timeout_ms)
{
	(void) WaitLatchOrSocket(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH | events, program->output, timeout_ms,
							 slm_wait_event("SellometerCredentials"));
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

/* Its output, until it closes it, has said too much or taken too long. */
static size_t
read_output(Program *program, double until, char *buffer)
{
	size_t		len = 0;

	for (;;)
	{
		double		left = until - slm_now_ms();
		ssize_t		got;

		program->too_slow = left <= 0;
		program->too_long = len == MAX_OUTPUT;
		if (program->too_slow || program->too_long)
			return len;
		got = read(program->output, buffer + len, MAX_OUTPUT - len);
		if (got > 0)
			len += got;
		else if (got == 0 || (errno != EAGAIN && errno != EINTR))
			return len;
		else
			wait_for(program, WL_SOCKET_READABLE, (long) left + 1);
	}
}

/* It has closed its output: mostly it ends, too. */
static void
await_end(Program *program, double until)
{
	while (program->pid != 0 && !program->too_slow)
	{
		pid_t		ended = waitpid(program->pid, &program->status, WNOHANG);

		if (ended == program->pid)
			program->pid = 0;
		else
		{
			wait_for(program, 0, EXIT_POLL_MS);
			program->too_slow = slm_now_ms() >= until;
		}
	}
}

/* Start it and read what it prints.  Returns an error number. */
static int
run(Program *program, const char *const *argv, char *output, size_t *len)
{
	double		until = slm_now_ms() + MAX_SECONDS * 1000.0;
	int			rc = start(program, argv);

	if (rc != 0)
		return rc;
	/* whoever waits may be told to end, too */
	PG_ENSURE_ERROR_CLEANUP(stop_at_exit, PointerGetDatum(program));
	{
		*len = read_output(program, until, output);
		if (!program->too_long)
			await_end(program, until);
	}
	PG_END_ENSURE_ERROR_CLEANUP(stop_at_exit, PointerGetDatum(program));
	stop(program);
	return 0;
}

/* The words of a command, as execve() wants them; NULL if it has none, or a quote that isn't closed. */
static const char **
words_of(const char *command)
{
	char	   *words = palloc(strlen(command) + 1);
	int			n = slm_split_command(command, strlen(command), words);
	const char **argv;

	if (n <= 0 || words[0] == '\0')
		return NULL;
	argv = palloc((n + 1) * sizeof(char *));
	for (int i = 0; i < n; i++)
	{
		argv[i] = words;
		words += strlen(words) + 1;
	}
	argv[n] = NULL;
	return argv;
}

static SlmCredentialsFound
fail(const char *whose, const char *what, SlmStoreError *error)
{
	return slm_credentials_fail(error, ERRCODE_EXTERNAL_ROUTINE_EXCEPTION,
								"Run it by hand, as the operating system's user that runs PostgreSQL.",
								"The program that is credential_process of %s %s.", whose, what);
}

static SlmCredentialsFound
take_output(const Program *program, const char *whose, const char *output, size_t len, SlmCredentials *c, SlmStoreError *error)
{
	if (program->too_slow)
		return fail(whose, psprintf("had not ended after %d seconds", MAX_SECONDS), error);
	if (program->too_long)
		return fail(whose, "prints too much", error);
	if (program->status != 0)
		return fail(whose, WIFEXITED(program->status) ? psprintf("ended with exit code %d", WEXITSTATUS(program->status))
					: psprintf("was ended by signal %d", WTERMSIG(program->status)), error);
	if (!slm_json_is_number(output, len, "Version", "1"))
		return fail(whose, "prints no JSON object with \"Version\": 1", error);
	if (!slm_credentials_of_json(output, len, "SessionToken", c))
		return fail(whose, "prints no AccessKeyId and SecretAccessKey", error);
	c->refreshable = true;
	c->of_program = true;
	snprintf(c->source, sizeof(c->source), "the program that is credential_process of %s", whose);
	return SLM_CREDENTIALS_FOUND;
}

SlmCredentialsFound
slm_credentials_refuse_program(SlmStoreError *error)
{
	slm_store_fail(error, SLM_STORE_DENIED, ERRCODE_INSUFFICIENT_PRIVILEGE, "permission denied to use credentials of a program");
	error->detail = pstrdup("The server process's own S3 credentials come from credential_process, and that needs the privileges of the role"
							" \"pg_execute_server_program\": of whoever asks, and of the owner of the foreign server.");
	error->hint = pstrdup("Ask a superuser to GRANT pg_execute_server_program, or create a user mapping with keys.");
	return SLM_CREDENTIALS_FAILED;
}

SlmCredentialsFound
slm_credentials_of_program(const char *command, const char *whose, SlmCredentials *c, SlmStoreError *error)
{
	Program		program = {.output = -1};
	const char **argv = words_of(command);
	SlmCredentialsFound found;
	char	   *output;
	size_t		len = 0;
	int			rc;

	if (argv == NULL)
		return fail(whose, "can't be run: the command has no word, or a quote that isn't closed", error);
	output = palloc(MAX_OUTPUT);
	rc = run(&program, argv, output, &len);
	if (rc != 0)
		return fail(whose, psprintf("can't be run: %s", strerror(rc)), error);
	found = take_output(&program, whose, output, len, c, error);
	explicit_bzero(output, MAX_OUTPUT);
	pfree(output);
	return found;
}
