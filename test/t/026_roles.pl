# S3 credentials of roles and programs, against a stand-in for STS that checks what it is asked.  Wherever something can't be honoured a
# container's credentials would be there, and must not be taken.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../perl";

use Digest::SHA qw(sha256_hex);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SlmS3;
use SlmTest;
use Test::More;

my $fake = SlmS3->fake;
my $sts = SlmS3->sts;
my $node = PostgreSQL::Test::Cluster->new('roles');
my $home = PostgreSQL::Test::Utils::tempdir();

delete $ENV{$_} foreach (grep { /^AWS_/ || /_proxy$/i } keys %ENV);
$ENV{HOME} = $home;
$ENV{AWS_ENDPOINT_URL_S3} = $fake->{endpoint};
$ENV{AWS_ENDPOINT_URL_STS} = $sts->{endpoint};
$ENV{AWS_EC2_METADATA_DISABLED} = 'true';
my %container = (AWS_CONTAINER_CREDENTIALS_FULL_URI => "$fake->{endpoint}/container/role");
$node->init;
$node->append_conf('postgresql.conf', "log_statement = none\nlog_min_messages = debug1");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION sellometer');
mkdir "$home/.aws";

sub with_environment
{
	my (%variables) = @_;

	local @ENV{ keys %variables } = values %variables;
	$node->restart;
	return;
}

sub config { write_file("$home/.aws/config", $_[0]); return; }

# The stand-in lists one object, named for the access key and session token that it was asked with.
my $ask = "SELECT split_part(key, '.', 1), split_part(key, '.', 2) FROM sellometer_list('s3://whoami/')";
my $all_errors = '';

sub who { return $node->safe_psql('postgres', $ask); }

sub failure
{
	my ($sql) = @_;
	my ($out, $err);

	$node->psql('postgres', $sql // $ask, stdout => \$out, stderr => \$err);
	$all_errors .= $err;
	return "$out$err";
}

# What STS was asked last.
sub last_asked { return ($sts->asked)[-1]; }

# --- web identity, as in EKS ---

my %web = (%container, AWS_WEB_IDENTITY_TOKEN_FILE => "$home/token", AWS_ROLE_ARN => 'arn:aws:iam::1:role/web');
write_file("$home/token", "token.of.us\n");
$sts->control(tokens => '["token.of.us", "token.renewed"]');
with_environment(%web);
is(who(), 'ASIAWEB1|given-token/1+=', 'web identity: credentials of the role, not of the container');
my $asked = last_asked();
is_deeply($asked->{asked}, { Action => 'AssumeRoleWithWebIdentity', Version => '2011-06-15', RoleArn => 'arn:aws:iam::1:role/web',
		RoleSessionName => 'sellometer', WebIdentityToken => 'sha256:' . sha256_hex('token.of.us') }, '... asked for with the token of the file');
is($asked->{signer}, undef, '... and no signature');
like(failure("SELECT * FROM sellometer_list('s3://echo/')"), qr{The credentials came from role "arn:aws:iam::1:role/web" of the environment variable AWS_ROLE_ARN},
	'errors name the role');
is($node->safe_psql('postgres', "$ask; $ask") =~ s/\d//gr, "ASIAWEB|given-token/+=\nASIAWEB|given-token/+=", 'several calls of a backend');
is($sts->control('count'), 3, '... ask once');
with_environment(%web, AWS_ROLE_SESSION_NAME => 'shop-db');
who();
is(last_asked()->{asked}{RoleSessionName}, 'shop-db', 'a name for the session');

# Short-lived ones are renewed before they end, with the token that is there then.
$sts->control(valid_for => 12);
my $before = $sts->control('count');
my $renewed = $node->safe_psql('postgres', "$ask; COPY (SELECT 'token.renewed') TO '$home/token'; SELECT pg_sleep(2.1); $ask");
is($renewed, sprintf("ASIAWEB%d|given-token/%d+=\n\nASIAWEB%d|given-token/%d+=", map { ($before + $_) x 2 } 1, 2), 'renewed while the old ones would still do');
is(last_asked()->{asked}{WebIdentityToken}, 'sha256:' . sha256_hex('token.renewed'), '... with the new token');
$sts->control(valid_for => 3600);

# What STS says is told, without what it was sent.
$sts->control(fail => '[403, "AccessDenied"]');
my $denied = failure();
like($denied, qr{could not get S3 credentials.*DETAIL:  STS answered 403 AccessDenied: User is not allowed \*+ when it was asked for role "arn:aws:iam::1:role/web" of the environment variable AWS_ROLE_ARN.*HINT:.*trust policy}s,
	'a role that is refused');
$sts->control(fail => '[400, "ExpiredTokenException"]');
like(failure(), qr/STS answered 400 ExpiredTokenException.*HINT:.*AWS_WEB_IDENTITY_TOKEN_FILE/s, 'a token that has expired');
$sts->control(fail => '');
write_file("$home/token", "unknown\n");
like(failure(), qr/STS answered 400 InvalidIdentityToken: No such token \*+ /, 'a token that is not known');
write_file("$home/token", "token.renewed\n");
$sts->control(garbage => 1);
like(failure(), qr/could not get S3 credentials.*gave no credentials with an end.*HINT:.*AWS_ENDPOINT_URL_STS/s, 'an answer that is none');
$sts->control(garbage => '', valid_for => -5);
like(failure(), qr/have expired already.*HINT:.*clock/s, 'credentials that come too late');
$sts->control(valid_for => 3600, fail => '[503, "ServiceUnavailable"]', hang => '0.6');
$before = $sts->control('count');
like(failure("$ask; $ask"), qr/STS answered 503 ServiceUnavailable/, 'a service that fails, slowly');
is($sts->control('count'), $before + 2, '... is asked twice, and the next call does not wait for it again');
$sts->control(fail => '', hang => 0);
unlink "$home/token";
like(failure(), qr/could not read the file with the web identity token of the environment variable AWS_ROLE_ARN.*No such file/, 'no token');
write_file("$home/token", "\n");
like(failure(), qr/could not get S3 credentials.*There is nothing in the file with the web identity token/s, 'an empty one');

# The same in a source's status, and the source goes on when the role is given.
write_file("$home/token", "token.renewed\n");
$fake->put('shelf/in/a.csv', "event_time,event_type,product_id,price\n2019-10-01 10:00:00,purchase,7,2.50\n");
$node->safe_psql('postgres', q{SELECT sellometer_add_source('web', 's3://shelf/in/')});
$sts->control(fail => '[403, "AccessDenied"]');
$node->safe_psql('postgres', 'CALL sellometer_ingest()');
my $last_error = $node->safe_psql('postgres', q{SELECT last_error FROM sellometer.sources WHERE name = 'web'});
$all_errors .= $last_error;
like($last_error, qr/STS answered 403 AccessDenied: User is not allowed \*+ /, 'last_error of a source says it');
$sts->control(fail => '');
$node->safe_psql('postgres', 'SET client_min_messages = warning; CALL sellometer_ingest(); CALL sellometer_merge_backlog()');
is($node->safe_psql('postgres', 'SELECT sum(count) FROM sellometer.product_id_minute'), '1', '... and then it is loaded');

# Halves of an identity.
delete $web{AWS_ROLE_ARN};
with_environment(%web);
like(failure(), qr/Of AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN only the first is set/, 'a token without a role');
with_environment(%container, AWS_ROLE_ARN => 'arn:aws:iam::1:role/web');
like(failure(), qr/Of AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN only the second is set/, 'a role without a token');
with_environment(%container, AWS_ACCESS_KEY_ID => 'ENVKEY');
like(failure(), qr/Of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY only the first is set/, 'a key without its secret');
with_environment(%container, AWS_SECRET_ACCESS_KEY => 'envsecret');
like(failure(), qr/only the second is set/, '... and a secret without its key');

# --- AssumeRole: who may take the role, and what is asked ---

write_file("$home/.aws/credentials", <<'FILE');
[base]
aws_access_key_id = SOURCEKEY
aws_secret_access_key = sourcesecret/+=
[mixed]
aws_access_key_id = SOURCEKEY
aws_secret_access_key = sourcesecret/+=
role_arn = arn:aws:iam::1:role/mixed
source_profile = mixed
[half]
aws_access_key_id = SOURCEKEY
FILE
config(<<"FILE");
[profile plain]
role_arn = arn:aws:iam::1:role/plain
source_profile = base
region = eu-central-1
[profile all]
Role_Arn = arn:aws:iam::1:role/all
source_profile = base
external_id = shop & co
role_session_name = nightly
duration_seconds = 1800
[profile chained]
role_arn = arn:aws:iam::1:role/second
source_profile = plain
[profile beside]
aws_access_key_id = OTHERKEY
aws_secret_access_key = othersecret
role_arn = arn:aws:iam::1:role/beside
source_profile = base
[profile env]
role_arn = arn:aws:iam::1:role/env
credential_source = Environment
[profile ecs]
role_arn = arn:aws:iam::1:role/ecs
credential_source = EcsContainer
[profile ec2]
role_arn = arn:aws:iam::1:role/ec2
credential_source = Ec2InstanceMetadata
[profile token]
role_arn = arn:aws:iam::1:role/token
web_identity_token_file = $home/token
role_session_name = by-token
[profile refused]
role_arn = arn:aws:iam::1:role/none
source_profile = base
[profile wrong]
role_arn = arn:aws:iam::1:role/wrong
source_profile = badkey
[profile badkey]
aws_access_key_id = SOURCEKEY
aws_secret_access_key = notsosecret
[profile mfa]
role_arn = arn:aws:iam::1:role/mfa
source_profile = base
mfa_serial = arn:aws:iam::1:mfa/me
[profile sso]
sso_session = s
sso_account_id = 1
aws_access_key_id = OTHERKEY
aws_secret_access_key = othersecret
[profile oversso]
role_arn = arn:aws:iam::1:role/oversso
source_profile = sso
[profile orphan]
source_profile = base
[profile nosource]
role_arn = arn:aws:iam::1:role/nosource
[profile twosources]
role_arn = arn:aws:iam::1:role/two
source_profile = base
credential_source = Environment
[profile place]
role_arn = arn:aws:iam::1:role/place
credential_source = Elsewhere
[profile gone]
role_arn = arn:aws:iam::1:role/gone
source_profile = nosuch
[profile ring]
role_arn = arn:aws:iam::1:role/ring
source_profile = ring2
[profile ring2]
role_arn = arn:aws:iam::1:role/ring2
source_profile = ring
[profile short]
role_arn = arn:aws:iam::1:role/short
source_profile = base
duration_seconds = 10
[profile norole]
web_identity_token_file = $home/token
FILE
$sts->control(count => 0, keys => '{"SOURCEKEY": ["sourcesecret/+=", null], "ENVKEY": ["envsecret", "envtoken"], "ROLEKEY": ["rolesecret", "roletoken"]}');

sub with_profile
{
	my ($profile, %more) = @_;

	with_environment(%container, AWS_PROFILE => $profile, %more);
	return;
}

with_profile('plain');
is(who(), 'ASIAPLAIN1|given-token/1+=', 'a role of a profile, with the keys of another');
$asked = last_asked();
is_deeply($asked->{asked}, { Action => 'AssumeRole', Version => '2011-06-15', RoleArn => 'arn:aws:iam::1:role/plain', RoleSessionName => 'sellometer', region => 'eu-central-1' },
	'... what is asked, and signed for the region');
is($asked->{signer}, 'SOURCEKEY', '... by whom');
like(failure("SELECT * FROM sellometer_list('s3://echo/')"), qr{The credentials came from role "arn:aws:iam::1:role/plain" of profile "plain"}, '... named in errors');
$sts->control(external_id => 'shop & co');
with_profile('all');
like(who(), qr/^ASIAALL/, 'external id, name of the session, duration');
is_deeply(last_asked()->{asked}, { Action => 'AssumeRole', Version => '2011-06-15', RoleArn => 'arn:aws:iam::1:role/all', RoleSessionName => 'nightly', ExternalId => 'shop & co',
		DurationSeconds => '1800', region => 'us-east-1' }, '... are asked for');
$sts->control(external_id => '');
with_profile('chained');
like(who(), qr/^ASIASECOND/, 'a role that is taken with the credentials of another role');
like(join(' ', map { "$_->{signer}>$_->{asked}{RoleArn}" } ($sts->asked)[ -2, -1 ]), qr{^SOURCEKEY>arn:aws:iam::1:role/plain ASIAPLAIN\d+>arn:aws:iam::1:role/second$}, '... step by step');
for my $profile ('mixed', 'beside')
{
	with_profile($profile);
	like(who(), qr/^ASIA\U$profile/, "a profile of keys and a role follows the role: $profile");
	is(last_asked()->{signer}, 'SOURCEKEY', '... with the credentials that it says');
}
with_profile('env', AWS_ACCESS_KEY_ID => 'ENVKEY', AWS_SECRET_ACCESS_KEY => 'envsecret', AWS_SESSION_TOKEN => 'envtoken');
like(who(), qr/^ASIAENV/, 'credential_source = Environment');
is(last_asked()->{signer}, 'ENVKEY', '... its keys and token');
with_profile('ecs');
like(who(), qr/^ASIAECS/, 'credential_source = EcsContainer');
is(last_asked()->{signer}, 'ROLEKEY', '... its keys and token');
with_profile('ec2', AWS_EC2_METADATA_DISABLED => 'false', AWS_EC2_METADATA_SERVICE_ENDPOINT => $fake->{endpoint});
like(who(), qr/^ASIAEC2/, 'credential_source = Ec2InstanceMetadata');
with_profile('token');
like(who(), qr/^ASIATOKEN/, 'a profile with a web identity');
is(last_asked()->{asked}{RoleSessionName}, 'by-token', '... and a name for the session');
with_environment(%container, AWS_DEFAULT_PROFILE => 'plain');
like(who(), qr/^ASIAPLAIN/, 'AWS_DEFAULT_PROFILE');

# Refused credentials are asked for anew: of the role, and of what it builds upon.
with_profile('plain');
$before = $sts->control('count');
like(failure("SELECT * FROM sellometer_list('s3://expired/')"), qr/the session token has expired/, 'a session that S3 calls expired');
is($sts->control('count'), $before + 2, '... is asked for once more');

my %wrong = (
	refused => qr/STS answered 403 AccessDenied: not authorized to perform: sts:AssumeRole when it was asked for role "arn:aws:iam::1:role\/none" of profile "refused", with credentials from profile "base" of the shared credentials file/,
	wrong => qr/STS answered 403 SignatureDoesNotMatch.*HINT:.*keys that the role is assumed with/s,
	mfa => qr/Profile "mfa" uses mfa_serial, which is not supported/,
	sso => qr/Profile "sso" uses sso_(session|account_id), which is not supported/,
	oversso => qr/Profile "sso" uses sso_(session|account_id), which is not supported/,
	orphan => qr/Profile "orphan" has source_profile, but no role_arn/,
	nosource => qr/Profile "nosource" has role_arn, but says not with which credentials/,
	twosources => qr/Profile "twosources" says in more than one way/,
	place => qr/Profile "place" has credential_source = Elsewhere, which is not known/,
	gone => qr/Profile "gone" has a role to be assumed with the credentials of its source_profile, "nosuch", which has none/,
	env => qr/Profile "env" has a role to be assumed with the credentials of its credential_source, Environment, which has none/,
	ring => qr/name one another as their sources have no end: "ring"/,
	short => qr/duration_seconds of profile "short" is "10".*HINT:.*900/s,
	norole => qr/Profile "norole" has web_identity_token_file, but no role_arn/,
	half => qr/Profile "half" has only one of aws_access_key_id and aws_secret_access_key/);
for my $profile (sort keys %wrong)
{
	with_profile($profile);
	like(failure(), $wrong{$profile}, "not to be honoured: $profile");
}

# Where STS is.
with_profile('plain', AWS_ENDPOINT_URL_STS => 'http://sts.example');
like(failure(), qr/endpoint for STS .* is neither https nor local/, 'secrets do not go over the wire in clear');
with_profile('plain', AWS_ENDPOINT_URL_STS => 'https://sts.example/path');
like(failure(), qr/endpoint for STS .* is not valid/, 'an endpoint that is none');
with_profile('plain', AWS_ENDPOINT_URL_STS => 'http://127.0.0.1:1');
like(failure(), qr/STS could not be asked for role "arn:aws:iam::1:role\/plain" of profile "plain": .*HINT:.*AWS_ENDPOINT_URL_STS/s, 'nobody there');

# --- a program that prints credentials ---

write_file("$home/give keys", <<"FILE");
#!/bin/sh
echo ran >> $home/ran
echo "stderr has programsecret" >&2
. $home/behave
FILE
chmod 0755, "$home/give keys";
config(<<"FILE");
[profile program]
credential_process = "$home/give keys" 'one argument' \$HOME;x
[profile over]
role_arn = arn:aws:iam::1:role/over
source_profile = program
[profile missing]
credential_process = $home/nosuch
[profile open]
credential_process = "$home/give keys
FILE

sub behave { write_file("$home/behave", $_[0] . "\n"); unlink "$home/ran"; return; }

sub runs { return -e "$home/ran" ? scalar(() = slurp_file("$home/ran") =~ /ran/g) : 0; }

my $print = q{printf '{"Version": 1, "AccessKeyId": "PROG%s", "SecretAccessKey": "programsecret", "SessionToken": "programtoken"%s}'};
behave(qq{[ "\$#" = 2 ] && [ "\$1" = 'one argument' ] && [ "\$2" = '\$HOME;x' ] && $print KEY ''});
with_profile('program');
is($node->safe_psql('postgres', "$ask; $ask"), "PROGKEY|programtoken\nPROGKEY|programtoken", 'credential_process, without a shell');
is(runs(), 1, '... is run once');
like(failure("SELECT * FROM sellometer_list('s3://echo/')"), qr/came from the program that is credential_process of profile "program"/, '... named in errors');
my $expires = q{", \"Expiration\": \"$(date -u -d '+12 seconds' +%Y-%m-%dT%H:%M:%S+00:00)\""};
behave("$print \"\$(cat $home/ran | wc -l)\" $expires");
is($node->safe_psql('postgres', "$ask; SELECT pg_sleep(2.1); $ask"), "PROG1|programtoken\n\nPROG2|programtoken", 'it is run again before its credentials expire');
$sts->control(keys => '{"PROGKEY": ["programsecret", "programtoken"]}');
behave("$print KEY ''");
with_profile('over');
like(who(), qr/^ASIAOVER/, 'a role above a program');

# It runs a program: so it is for those who may run programs.
with_profile('program');
$node->safe_psql('postgres', "CREATE ROLE keeper; CREATE ROLE maker; GRANT pg_read_server_files TO keeper, maker;"
	  . "GRANT EXECUTE ON FUNCTION sellometer_list(text, text) TO keeper; GRANT USAGE ON FOREIGN DATA WRAPPER sellometer_s3 TO maker;"
	  . "SET ROLE maker; CREATE SERVER made FOREIGN DATA WRAPPER sellometer_s3 OPTIONS (endpoint '$fake->{endpoint}'); GRANT USAGE ON FOREIGN SERVER made TO keeper");
my $refused = qr/permission denied to use credentials of a program.*pg_execute_server_program.*HINT/s;
behave("$print KEY ''");
like(failure("SET ROLE keeper; $ask"), $refused, 'not for who may only read files of the server');
is(runs(), 0, '... and nothing was run');
with_profile('over');
like(failure("SET ROLE keeper; $ask"), $refused, '... nor the role above it');
like(failure("$ask; SET ROLE keeper; $ask"), qr/^ASIAOVER.*$refused/s, '... nor when a superuser has just used it');
$node->safe_psql('postgres', 'GRANT pg_execute_server_program TO keeper');
like($node->safe_psql('postgres', "SET ROLE keeper; $ask"), qr/^ASIAOVER/, 'then he may');
my $made = "SELECT split_part(key, '.', 1) FROM sellometer_list('s3://whoami/', 'made')";
like(failure("SET ROLE keeper; $made"), $refused, 'but not for a server of somebody who may not');
like(failure($made), $refused, '... nor may a superuser');
$node->safe_psql('postgres', 'GRANT pg_execute_server_program TO maker');
like($node->safe_psql('postgres', "SET ROLE keeper; $made"), qr/^ASIAOVER/, 'then it goes');

# How many of the processes are there that a program has started.
sub left
{
	my $n = 0;

	for my $file (glob('/proc/[0-9]*/cmdline'))
	{
		open(my $process, '<', $file) or next;
		$n += (readline($process) // '') =~ /^sleep\x001234567/;
	}
	return $n;
}

# Programs that fail.
my @failing = (
	[ 'exit 3', qr/ended with exit code 3/ ],
	[ 'kill -9 $$', qr/was ended by signal 9/ ],
	[ 'echo nothing', qr/prints no JSON object with "Version": 1/ ],
	[ $print =~ s/"Version": 1/"Version": 2/r . " KEY ''", qr/prints no JSON object with "Version": 1/ ],
	[ $print =~ s/SecretAccessKey/Secret/r . " KEY ''", qr/prints no AccessKeyId and SecretAccessKey/ ],
	[ 'head -c 200000 /dev/zero', qr/prints too much/ ],
	[ qq{$print "KEY\\\\nx" ''}, qr/the S3 credentials are not valid.*Those from the program/s ]);
with_profile('program');
for my $case (@failing)
{
	behave($case->[0]);
	like(failure(), $case->[1], "a program: $case->[0]" =~ s/programsecret|programtoken/x/gr);
}
# JSON as programs and services print it, and what is none.  The session token shows what was read.
my $keys = '"AccessKeyId":"PROGKEY","SecretAccessKey":"programsecret"';
my $deep = '{"x":' x 150 . 1 . "}" x 150;
my @printed = (
	[ qq<{"Version":1,$keys,"SessionToken":"a"}>, 'a', 'no blanks' ],
	[ qq< { "x" : 1 , "Version" : 1 ,\n$keys , "SessionToken" : "b\\u002b\\/\\u0063" } \n>, 'b+/c', 'blanks and escapes' ],
	[ qq<{"n":{"Version":2,"SessionToken":"no"},"l":["SessionToken",{"SessionToken":"}"}],"z":null,$keys,"Version":1,"SessionToken":"c"}>, 'c', 'nested ones' ],
	[ qq<{"VersionVersion":2,"Version":1,$keys,"Session\\u0054oken":"d"}>, 'd', 'an escaped name' ],
	[ qq<{"Version":1,$keys,"SessionToken":"e","SessionToken":"f"}>, 'f', 'one that comes twice' ],
	[ qq<{"Version":1,$keys,"x":$deep,"SessionToken":"g"}>, 'g', 'deeply nested ones' ],
	[ qq<{"Version":1,$keys,"SessionToken":"> . 'h' x 3000 . '"}', 'h' x 3000, 'a long one' ],
	(map { [ $_->[0], undef, $_->[1] ] }
		[ qq<{"Version":11,$keys}>, 'another version' ], [ qq<{"Version":1.5,$keys}>, 'no whole version' ], [ qq<{"Version":"1",$keys}>, 'a version that is a string' ],
		[ qq<[{"Version":1,$keys}]>, 'an array' ], [ qq<{"Version":1,$keys}x>, 'something behind it' ], [ qq<{"Version":1,$keys>, 'one cut short' ],
		[ qq<{"Version":1,"AccessKeyId":"PROGKEY","SecretAccessKey":"programs>, 'one cut short in a string' ],
		[ qq<{"Version":1,"AccessKeyId":1,"SecretAccessKey":"programsecret"}>, 'a key that is a number' ],
		[ qq<{"Version":1,"AccessKeyId":null,"SecretAccessKey":"programsecret"}>, 'a key that is null' ],
		[ qq<{"Version":1,"AccessKeyId":"PROG\\u0000KEY","SecretAccessKey":"programsecret"}>, 'a NUL' ],
		[ qq<{"Version":1,"AccessKeyId":"PROG\\u00e9KEY","SecretAccessKey":"programsecret"}>, 'what is not ASCII' ],
		[ qq<{"Version":1,"AccessKeyId":"> . 'K' x 17000 . qq<","SecretAccessKey":"programsecret"}>, 'a key that is too long' ],
		[ qq<{"Version":1,$keys,"x":> . '[' x 50000, 'too many brackets' ]));
with_profile('program');
for my $case (@printed)
{
	my ($json, $token, $name) = @$case;

	write_file("$home/json", $json);
	behave("cat '$home/json'");
	if (defined $token) { is(who(), "PROGKEY|$token", "JSON: $name"); }
	else { like(failure(), qr/credential_process.*prints no (JSON object|AccessKeyId)/, "no JSON for us: $name"); }
}
behave("sleep 1234567 &\nexec sleep 1234567");
like(failure("SET statement_timeout = '500ms'; $ask"), qr/canceling statement due to statement timeout/, 'a program that hangs can be interrupted');
is(left(), 0, '... and is gone, with what it has started');
behave("exec >&-; exec sleep 1234567");
like(failure("SET statement_timeout = '500ms'; $ask"), qr/canceling statement due to statement timeout/, '... also if it has closed its output');
is(left(), 0, '... and is gone');
with_profile('missing');
like(failure(), qr/credential_process of profile "missing" can't be run: No such file.*HINT:.*by hand/s, 'a program that is not there');
with_profile('open');
like(failure(), qr/a quote that isn't closed/, 'a quote that is not closed');

# --- no value stands in any message or log ---

my $secrets = qr/token\.of\.us|token\.renewed|given-secret|given-token|sourcesecret|notsosecret|othersecret|envsecret|envtoken|rolesecret|roletoken|programsecret|programtoken|programs\b/;
my $log = slurp_file($node->logfile);
$log =~ s/^.*COPY \(.*$//mg;    # the statements of the test itself
unlike($all_errors =~ s/ASIA\w+//gr, $secrets, 'no secret in an error');
unlike($log, $secrets, 'no secret in the log');

$node->stop;
done_testing();
