# What a hint tells to call can be called, and helps: each is provoked, done as it says, and looked at.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use SlmHistory qw(can_make_chunks_small);
use SlmTest;
use Test::More;

# No worker: each case says when there is a look.
my $node = slm_node('hints', conf => "fsync = off\nlog_checkpoints = off\nsellometer.database = ''\n");
my ($in, $out) = map { slm_directory($node, $_) } qw(in out);
my $small = can_make_chunks_small($node) ? 'SET sellometer.debug_chunk_rows = 100;' : '';

sub value { my ($sql, $db) = @_; return $node->safe_psql($db // 'shop', "SET client_min_messages = warning; $sql"); }
sub said { my ($sql, $db) = @_; my (undef, undef, $err) = $node->psql($db // 'shop', $sql, on_error_stop => 0); return $err; }
sub ingest { return value('CALL sellometer_ingest(); CALL sellometer_merge_backlog()'); }
sub state_of { my ($key) = @_; return value("SELECT state FROM sellometer.objects WHERE key = '$key' ORDER BY id DESC LIMIT 1"); }
sub error_of { my ($key) = @_; return value("SELECT error FROM sellometer.objects WHERE key = '$key' ORDER BY id DESC LIMIT 1"); }
sub counted { return value('SELECT coalesce(sum(count), 0) FROM sellometer.product_id_minute'); }
sub health { my ($name) = @_; return value("SELECT hint FROM sellometer.health WHERE name = '$name'"); }
sub rows { my ($minute, $n) = @_; return csv(map { event(event_time => "$minute:00 UTC", user_session => "$minute s$_", event_type => 'purchase') } 1 .. $n); }

# Whatever is named in a message can be called.
my $src = slm_root() . '/src';
my $text = join("\n", map { slurp_file($_) } grep { -f } map { glob("$src/$_") } qw(*.c */*.c */*.h sql/*.sql));
my %named = map { ($_ => 1) } $text =~ /\b(sellometer_\w+)\(\)/g;
my $known = value('SELECT string_agg(DISTINCT proname, $$ $$) FROM pg_proc');
cmp_ok(scalar(keys %named), '>', 15, 'messages name calls');
is(join(' ', grep { " $known " !~ / $_ / } sort keys %named), '', '... each of which there is');

# --- sources ---

like(health('sources'), qr/sellometer_add_source\(\) adds one/, 'no source');
value("SELECT sellometer_add_source('a', 'file://$in/', enabled => false)");
like(health('sources'), qr/sellometer_enable_source\(\) enables one/, 'none is enabled');
like(said("CALL sellometer_archive('a')"), qr/no archive_url.*sellometer_alter_source\(\) with archive_url/s, 'no archive');
value("SELECT sellometer_alter_source('a', archive_url => 'file://$out/')");
like(said("CALL sellometer_archive('a')"), qr/NOTICE:  source "a" is not enabled.*sellometer_enable_source\(\)/s, '... there is one');
value("SELECT sellometer_enable_source('a', true)");
is(said("CALL sellometer_archive('a')"), '', '... and it is enabled');
like(said("SELECT sellometer_add_source('a', 'file://$in/')"), qr/exists already.*sellometer_drop_source\(\) first/s, 'a name that is taken');
value("SELECT sellometer_drop_source('a'); SELECT sellometer_add_source('a', 'file://$in/', archive_url => 'file://$out/'); SELECT sellometer_alter_source('a', same_content => 'skip')");

write_object($in, '2019-10-01-10-00-1.csv', rows('2019-10-01 10:00', 5));
mkdir "$in/closed" or die;
chmod 0, "$in/closed";
ingest();
like(health('source a'), qr/sellometer_alter_source\(\) with exclude/, 'a directory that is closed');
value("SELECT sellometer_alter_source('a', exclude => '{closed/*}')");
ingest();
is(health('source a'), '', '... is left out');
rmdir "$in/closed";

like(said("BEGIN; CALL sellometer_ingest()"), qr/CALL it on its own/, 'in a transaction block');
like(said("BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT sellometer_unload('a', '2019-10-01-10-00-1.csv')"),
	qr/SET default_transaction_isolation = 'read committed' before/, 'in a transaction of another level');
is(said("SET default_transaction_isolation = 'serializable'; SET default_transaction_isolation = 'read committed'; SELECT sellometer_replay('a', '2019-10-01', '2019-10-02')"),
	'', '... as it says');

# Who has added a source is gone: another does, and nothing counts twice.
value(qq{CREATE ROLE keeper SUPERUSER LOGIN; SET ROLE keeper; SELECT sellometer_drop_source('a'); SELECT sellometer_add_source('a', 'file://$in/', archive_url => 'file://$out/')});
value('DROP ROLE keeper; SELECT sellometer.note_owners()');
like(value(q{SELECT hint FROM sellometer_check() WHERE name = 'source a'}), qr/sellometer_drop_source\(\), and sellometer_add_source\(\) as another role/, 'an owner that is gone');
value("SELECT sellometer_drop_source('a'); SELECT sellometer_add_source('a', 'file://$in/', archive_url => 'file://$out/')");
ingest();
is(value("SELECT ok FROM sellometer_check() WHERE name = 'source a'") . ' ' . counted(), 't 5', '... as it says, and the ledger is kept');

# A source that was dropped: what needs its files names it.
value("SELECT sellometer_drop_source('a')");
like(said("SELECT sellometer_replay(NULL, '2019-10-01', '2019-10-02')"), qr/source was dropped.*sellometer_add_source\(\) it again/s, 'a source that was dropped');
value("SELECT sellometer_add_source('a', 'file://$in/', archive_url => 'file://$out/')");
is(value("SELECT sellometer_replay(NULL, '2019-10-01', '2019-10-02')"), '5', '... and added again');

# --- objects ---

write_object($in, '2019-10-01-10-01-bad.csv', "event_time,event_type,product_id\n2019-10-01 10:01:00,view,1\n");
write_object($in, '2019-10-01-10-01-sad.csv', "event_time,event_type\n2019-10-01 10:01:00,view\n");
ingest();
like(health('objects of a'), qr/sellometer_retry\(\) or sellometer_skip\(\)/, 'failed objects');
value("SELECT sellometer_retry('a', '2019-10-01-10-01-sad.csv'); SELECT sellometer_skip('a', '2019-10-01-10-01-bad.csv')");
is(state_of('2019-10-01-10-01-sad.csv') . state_of('2019-10-01-10-01-bad.csv'), 'pendingskipped', '... one again, and one never');
like(error_of('2019-10-01-10-01-bad.csv'), qr/put it there again under the same key/, 'the error says how it is loaded');
write_object($in, '2019-10-01-10-01-sad.csv', rows('2019-10-01 10:01', 2));
ingest();
is(state_of('2019-10-01-10-01-sad.csv') . ' ' . counted(), 'done 7', '... as it says');

value("SELECT sellometer_alter_source('a', exclude => '{*-no.csv}')");
write_object($in, '2019-10-01-10-01-no.csv', rows('2019-10-01 10:01', 3));
ingest();
like(said("SELECT sellometer_retry('a', '2019-10-01-10-01-no.csv')"), qr/source "a" has no object|left out by.*sellometer_alter_source\(\) changes them; then it is loaded/s, 'left out');
value("SELECT sellometer_alter_source('a', exclude => '{}')");
ingest();
is(state_of('2019-10-01-10-01-no.csv'), 'done', '... no more');

SKIP:
{
	# Of a large one the first parts are counted.
	my $names = sub { csv(map { event(event_time => sprintf('2019-10-01 10:%02d:00 UTC', 2 + $_ / 100), user_session => "p$_", event_type => 'purchase') } 0 .. 399) };
	my $before = counted();

	skip('needs an extension that was built with COPT=-DUSE_ASSERT_CHECKING', 6) if $small eq '';
	write_object($in, '2019-10-01-10-02-part.csv', $names->());
	value("$small CALL sellometer_ingest()");
	is(counted(), $before + 400, 'in parts');
	# as it stands between two of them
	for my $gone (0, 1)
	{
		value("UPDATE sellometer.objects SET state = 'failed', resume_row = 400 WHERE key = '2019-10-01-10-02-part.csv'");
		unlink "$in/2019-10-01-10-02-part.csv" if $gone;
		like(said("SELECT sellometer_skip('a', '2019-10-01-10-02-part.csv')"), $gone ? qr/can't be read any more: what is counted of it stays/ : qr/\A\z/,
			$gone ? 'one that is not loaded whole, and is gone, is put aside' : 'one that is not loaded whole is put aside');
		is(state_of('2019-10-01-10-02-part.csv') . ' ' . (counted() - $before), $gone ? 'skipped 400' : 'skipped 0', '... as it says');
		next if $gone;
		value("SELECT sellometer_retry('a', '2019-10-01-10-02-part.csv')");
		value("$small CALL sellometer_ingest()");
		is(counted(), $before + 400, '... and back');
	}
}

# What has the same content; what has changed, before it was archived and afterwards.
value("SELECT sellometer_alter_source('a', same_content => 'skip')");
write_object($in, '2019-10-01-10-00-2.csv', rows('2019-10-01 10:00', 5));
ingest();
like(error_of('2019-10-01-10-00-2.csv'), qr/same content as.*sellometer_alter_source\(\) with same_content => 'count', then sellometer_retry\(\)/s, 'the same content');
value("SELECT sellometer_alter_source('a', same_content => 'count'); SELECT sellometer_retry('a', '2019-10-01-10-00-2.csv')");
ingest();
is(state_of('2019-10-01-10-00-2.csv'), 'done', '... counts as well');
write_object($in, '2019-10-01-10-00-2.csv', rows('2019-10-01 10:00', 6));
ingest();
like(error_of('2019-10-01-10-00-2.csv'), qr/before it was archived.*sellometer_skip\(\)/s, 'changed before it was archived');
like(said("SELECT sellometer_retry('a', '2019-10-01-10-00-2.csv')"), qr/HINT:.*sellometer_skip\(\)/, '... once more');
value("SELECT sellometer_skip('a', '2019-10-01-10-00-2.csv')");
is(state_of('2019-10-01-10-00-2.csv'), 'skipped', '... is put aside');
sub unreadable { return value(q{SELECT hint FROM sellometer_check() WHERE name = 'unreadable objects'}); }
like(unreadable(), qr/sellometer_declare_lost\(\)/, 'the first content can\'t be read');
value("SELECT sellometer_declare_lost('a', '2019-10-01-10-00-2.csv')");
is(unreadable(), '', '... is declared lost');

write_object($in, '2019-10-01-14-00-1.csv', rows('2019-10-01 14:00', 2));
ingest();
value('CALL sellometer_rollup(); CALL sellometer_archive()');
is(state_of('2019-10-01-10-00-1.csv'), 'archived', 'archived');
write_object($in, '2019-10-01-10-00-1.csv', rows('2019-10-01 10:00', 9));
ingest();
like(error_of('2019-10-01-10-00-1.csv'), qr/sellometer_retry\(\) with replace => true.*sellometer_skip\(\)/s, 'changed after it was archived');
my $before = counted();
value("SELECT sellometer_retry('a', '2019-10-01-10-00-1.csv', replace => true)");
is(counted() - $before, 4, '... is exchanged');

# An archive that is gone, and was declared lost: nobody can exchange what was in it.
write_object($in, '2019-10-01-11-00-1.csv', rows('2019-10-01 11:00', 2));
ingest();
value('CALL sellometer_archive()');
unlink "$out/" . value(q{SELECT archive_key FROM sellometer.objects WHERE key = '2019-10-01-11-00-1.csv'});
value("SELECT sellometer_declare_lost('a', '2019-10-01-11-00-1.csv')");
write_object($in, '2019-10-01-11-00-1.csv', rows('2019-10-01 11:00', 7));
ingest();
my $advice = error_of('2019-10-01-11-00-1.csv');
like($advice, qr/was declared lost; sellometer_skip\(\) puts this one aside/, 'changed after its archive was declared lost');
unlike($advice . said("SELECT sellometer_retry('a', '2019-10-01-11-00-1.csv')"), qr/replace => true/, '... nobody recommends what can\'t be done');
value("SELECT sellometer_skip('a', '2019-10-01-11-00-1.csv')");
like(said("SELECT sellometer_skip('a', '2019-10-01-14-00-1.csv')"), qr/is counted already.*sellometer_unload\(\) takes out/s, 'one that counts');
is(value("SELECT sellometer_unload('a', '2019-10-01-14-00-1.csv')"), '2', '... is taken out');

# Rows that no tier keeps.
write_object($in, '2019-10-01-15-00-1.csv', rows('2019-10-01 15:00', 2));
write_object($in, '2018-10-01-15-00-1.csv', rows('2018-10-01 15:00', 3));
ingest();
like(value(q{SELECT string_agg(hint, ' ') FROM sellometer.health WHERE name ~ 'expired'}), qr/sellometer_add_tier\(\) without one.*sellometer_retry\(\) counts them/s, 'expired rows');
value(q{SELECT sellometer_add_tier('day', '1 day'); SELECT sellometer_retry('a', '2018-10-01-15-00-1.csv')});
is(value(q{SELECT sum(count) FROM sellometer.product_id_day WHERE event_time < '2019-01-01'}), 3, '... count in another tier');
my ($drop) = said(q{SELECT sellometer_drop_tier('day')}) =~ /HINT:  (sellometer_drop_tier\(.*?\)) drops it/;
isnt($drop, undef, 'a tier that holds what no other one does');
value("SELECT $drop");
is(value(q{SELECT count(*) FROM sellometer.tiers WHERE name = 'day'}), 0, '... is dropped as it says');

like(said(q{SELECT sellometer_override_category('electronics')}), qr/HINT:  For example: (sellometer_override_category\(.*\))\./, 'an override of nothing');
my ($example) = said(q{SELECT sellometer_override_category('electronics')}) =~ /HINT:  For example: (sellometer_override_category\(.*\))\./;
isnt(value("SELECT $example IS NULL"), 'x', '... the example works');

# --- servers ---

like(said("SELECT sellometer_add_source('s', 's3://shelf/in/', 'nowhere')"), qr/CREATE SERVER .*FOREIGN DATA WRAPPER sellometer_s3 OPTIONS \(endpoint '...', region '...'\)/, 'no server');
value(q{CREATE SERVER nowhere FOREIGN DATA WRAPPER sellometer_s3 OPTIONS (endpoint 'http://127.0.0.1:9', region 'x', connect_timeout '1', retry_timeout '1'); CREATE ROLE clerk; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO clerk; GRANT USAGE ON SCHEMA sellometer TO clerk});
sub as_clerk { return said("SET ROLE clerk; SELECT * FROM sellometer_list('s3://shelf/in/', 'nowhere')"); }
# Do what the hint says, with keys; returns what is said then.
sub follow
{
	my ($advice, $what) = @_;

	ok($advice =~ /HINT:  (?:Use )?((?:GRANT|CREATE|ALTER) .*?)\.?$/m, $what) or diag($advice);
	my $sql = ($1 // '') =~ s/'\.\.\.'/'k'/gr;
	value($sql);
	return as_clerk();
}
$advice = follow(as_clerk(), 'no right to a server');
$advice = follow($advice, 'no user mapping');
unlike($advice, qr/mapping not found|permission denied/, '... there is one');
value('DROP USER MAPPING FOR clerk SERVER nowhere; CREATE USER MAPPING FOR clerk SERVER nowhere');
like(as_clerk(), qr/ALTER USER MAPPING/, 'a user mapping without keys');
unlike(follow(as_clerk(), '... is given keys'), qr/mapping not found/, '... and used');

# --- databases ---

$node->safe_psql('postgres', "CREATE DATABASE other ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
like(said('CREATE EXTENSION sellometer', 'other'), qr/CREATE DATABASE \.\.\. ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0 makes one/, 'another encoding');
$node->safe_psql('postgres', "CREATE DATABASE made ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0");
value('CREATE EXTENSION sellometer', 'made');
value('DELETE FROM sellometer.tiers', 'made');
like(said('CALL sellometer_ingest()', 'made'), qr/sellometer.tiers is empty.*DROP EXTENSION sellometer and CREATE EXTENSION sellometer/s, 'no tiers');
value('DROP EXTENSION sellometer; CREATE EXTENSION sellometer; CALL sellometer_ingest()', 'made');
pass('... made anew');

$node->stop;
done_testing();
