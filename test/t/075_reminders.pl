# Whom sellometer_remind() gives out, against plain SQL over the raw rows: a thousand random histories of users and guests at once, whose
# files come in any order, late, in batches of any size, are taken out, come again as others and are replayed, and forgotten, with crashes in between.
#
# A history is a few users, sessions and products of its own; each file has rows of many.  Sessions change their user, users their
# session; events have no user, or no session; many are at the same time.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use SlmHistory qw(files_below link_object unexpected_in_log wait_until_loaded);
use SlmRandom;
use SlmTest;
use Test::More;

use constant HISTORIES => 1000;
use constant FILES => 24;

my $seed = $ENV{SLM_SEEDS} // 5;
note("seed $seed");
srand($seed);

my $node = slm_node('reminders', conf => "sellometer.database = ''\nsellometer.live_lateness = 30min\nfsync = off\nlog_checkpoints = off\n");
my ($all, $in, $out) = map { slm_directory($node, $_) } qw(all in out);

sub sql { my ($sql) = @_; return $node->safe_psql('shop', "SET client_min_messages = warning; $sql"); }

# --- histories ---

my @rows = map { [] } 1 .. FILES;
for my $h (1 .. HISTORIES)
{
	my $users = pick(0, 1, 1, 2, 3);
	my $sessions = pick(1, 2, 2, 3, 4);
	my $products = pick(1, 2, 3);
	my $minutes = pick(4, 20, 150);

	for (1 .. 2 + int rand 24)
	{
		my $session = chance(0.1) ? '' : sprintf('%d-%d', $h, int rand $sessions);
		my $user = $users == 0 || chance(0.25) ? '' : $h * 10 + int rand $users;
		my $minute = int rand $minutes;

		push @{ $rows[ rand FILES ] }, event(
			event_time => sprintf('2019-10-01 %02d:%02d:%02d', 10 + $minute / 60, $minute % 60, pick(0, 0, 30)),
			event_type => pick(qw(cart cart cart view remove_from_cart purchase)), product_id => $h * 10 + int rand $products,
			price => pick(1, 2, 2.5), user_id => $user, user_session => $session);
	}
}
# The head: later than all of it.
my @heads = map { write_object($all, sprintf('2019-10-01-1%d-00-head.csv', $_), csv(event(event_time => "2019-10-01 1$_:00:00", user_session => 'head'))); sprintf('2019-10-01-1%d-00-head.csv', $_) } (3, 4);
my @keys = map { my $key = sprintf('part-%02d.csv', $_); write_object($all, $key, csv(shuffled(@{ $rows[$_] }))); $key } 0 .. FILES - 1;

sub give { link_object($all, $in, $_) foreach (@_); return; }
sub agree
{
	my ($name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	oracle_load($node, $in);
	return carts_agree($node, $name);
}

# --- what is to be given out: of all that is left by the raw rows ---

# In oracle.given is what was; what is told of it is what the extension was told.
sub remind
{
	my ($name, $n) = @_;

	oracle_load($node, $in);
	sql(q{
		DROP TABLE IF EXISTS oracle.expected;
		CREATE TABLE oracle.expected AS
		WITH usable AS (
			SELECT e.* FROM oracle.event e JOIN oracle.object_total o USING (object) WHERE e.reason IS NULL AND NOT o.failed AND event_type <> 'view'),
		last_cart AS (
			SELECT DISTINCT ON (user_session, product_id) user_session, product_id, user_id, price, t FROM usable
			WHERE event_type = 'cart' AND user_session <> '' ORDER BY user_session, product_id, t DESC, price, user_id NULLS LAST),
		left_there AS (
			SELECT c.* FROM last_cart c, sellometer.state s
			WHERE c.t <= s.head - interval '1 hour' AND NOT EXISTS (SELECT FROM usable u
				WHERE u.event_type IN ('purchase', 'remove_from_cart') AND u.product_id = c.product_id AND u.t >= c.t
					AND (u.user_session = c.user_session OR u.user_id = c.user_id))
				AND NOT EXISTS (SELECT FROM sellometer.reminder_opt_outs o WHERE o.user_id = c.user_id)),
		of_people AS (
			SELECT DISTINCT ON (person, product_id) person, user_id, user_session, product_id, price, t
			FROM (SELECT coalesce('u' || user_id, 's' || user_session) AS person, * FROM left_there) l
			WHERE NOT EXISTS (SELECT FROM oracle.given g WHERE g.user_session = l.user_session AND g.product_id = l.product_id AND g.since = l.t)
				AND NOT EXISTS (SELECT FROM oracle.given g WHERE g.person = l.person AND g.product_id = l.product_id AND g.since >= l.t)
			ORDER BY person, product_id, t DESC, user_session)
		SELECT * FROM of_people p WHERE NOT EXISTS (SELECT FROM oracle.paused x WHERE x.person = p.person)});
	sql(qq{CREATE TABLE IF NOT EXISTS oracle.got (reminder_id bigint, user_id bigint, user_session text, product_id bigint, price numeric, since timestamptz);
		TRUNCATE oracle.got;
		INSERT INTO oracle.got SELECT reminder_id, user_id, user_session, product_id, price, since FROM sellometer_remind($n, '1 day')});
	my $differ = sql(q{
		SELECT * FROM ((SELECT 'missing', user_id, user_session, product_id, price, t FROM oracle.expected EXCEPT SELECT 'missing', user_id, user_session, product_id, price, since FROM oracle.got)
		UNION ALL (SELECT 'unexpected', user_id, user_session, product_id, price, since FROM oracle.got EXCEPT SELECT 'unexpected', user_id, user_session, product_id, price, t FROM oracle.expected)) d LIMIT 10});

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	note(sql('SELECT count(*) || \' products for \' || count(DISTINCT reminder_id) FROM oracle.got'));
	if ($n >= HISTORIES * 10) { is($differ, '', "$name: who is reminded of what"); }
	else
	{
		unlike($differ, qr/unexpected/, "$name: nobody else");
		is(sql('SELECT count(DISTINCT reminder_id) FROM oracle.got'), $n, "$name: so many");
		is(sql(q{SELECT count(*) FROM oracle.expected e WHERE person IN (SELECT coalesce('u' || user_id, 's' || user_session) FROM oracle.got)}),
			sql('SELECT count(*) FROM oracle.got'), "$name: of all that they have left");
	}
	is(sql(q{SELECT count(*) FROM (SELECT FROM oracle.got GROUP BY coalesce('u' || user_id, 's' || user_session) HAVING count(DISTINCT reminder_id) > 1) x}),
		'0', "$name: one reminder each");
	sql(q{INSERT INTO oracle.given SELECT coalesce('u' || user_id, 's' || user_session), user_session, product_id, since FROM oracle.got;
		INSERT INTO oracle.paused SELECT coalesce('u' || user_id, 's' || user_session) FROM oracle.got});
	return sql('SELECT count(*) FROM oracle.got');
}


# --- in any order ---

sql("SELECT sellometer_add_source('shop', 'file://$in/', archive_url => 'file://$out/')");
give($heads[0]);
sql('CALL sellometer_ingest()');
my @order = shuffled(@keys);
for my $wave (1 .. 6)
{
	my @some = splice(@order, 0, $wave == 6 ? scalar @order : 1 + int rand 5);

	give(@some);
	sql(pick("SET sellometer.batch_bytes = '64kB'; ", '') . 'CALL sellometer_ingest()');
	sql('CALL sellometer_merge_backlog()') if chance(0.5);
	sql('CALL sellometer_detect()') if chance(0.3);
	if ($wave == 3)
	{
		$node->stop('immediate');
		$node->start;
	}
	if ($wave == 2 || $wave == 4)
	{
		wait_until_loaded($node);
		agree("wave $wave");
	}
}
wait_until_loaded($node);
agree('all of it');
cmp_ok(sql(q{SELECT count(*) FROM sellometer.carts c JOIN sellometer.user_cart_times u USING (user_id, product_id), sellometer.state s
	WHERE c.cart_at > coalesce(greatest(c.removed_at, c.purchased_at), '-infinity') AND greatest(u.removed_at, u.purchased_at) >= c.cart_at}),
	'>', 200, 'many were bought or taken out in another session, or without one');
cmp_ok(sql('SELECT count(*) FROM (SELECT FROM sellometer.left_in_cart GROUP BY user_id, product_id HAVING count(DISTINCT user_session) > 1 AND user_id IS NOT NULL) x'),
	'>', 20, 'the same product is left in two sessions of a user');
is(sql(q{SELECT count(*) FROM sellometer.cart_states c LEFT JOIN sellometer.left_in_cart l USING (user_session, product_id)
	WHERE (c.state = 'open') <> (l.product_id IS NOT NULL)}), '0', 'what is left is open');

# --- taken out, another, replayed ---

sql("SELECT sellometer_unload('shop', '$keys[3]'); SELECT sellometer_unload('shop', '$keys[7]')");
unlink("$in/$keys[$_]") foreach (3, 7);
agree('two files are taken out');
{
	my ($header, @lines) = split(/^/, slurp_file("$all/$keys[4]"));

	sql("SELECT sellometer_unload('shop', '$keys[4]')");
	unlink("$in/$keys[4]");
	write_object($in, $keys[4], join('', $header, grep { !/,purchase,/ || chance(0.5) } map { chance(0.2) ? s/,cart,/,remove_from_cart,/r : $_ } @lines));
	wait_until_loaded($node);
}
agree('one comes with another content');
sql(q{SELECT sellometer_replay('shop', '-infinity', 'infinity')});
agree('replayed');

# --- reminders ---

sql('CREATE TABLE IF NOT EXISTS public.given (person text, user_session text, product_id bigint, since timestamptz); CREATE TABLE public.paused (person text)');
{
	no warnings 'redefine';
	my $load = \&oracle_load;
	# the oracle's schema is made anew each time
	*main::oracle_load = sub { $load->(@_); sql('CREATE VIEW oracle.given AS TABLE public.given; CREATE VIEW oracle.paused AS TABLE public.paused'); return; };
}
sql("INSERT INTO sellometer.reminder_opt_outs (user_id) SELECT DISTINCT user_id FROM sellometer.left_in_cart WHERE user_id % 7 = 0");
remind('some', 50);
cmp_ok(remind('all', 1e6), '>', 300, 'there are many');
is(remind('again', 1e6), '0', 'nobody twice');
# ... of whom nothing is read
cmp_ok(sql(q{BEGIN; SELECT FROM sellometer_remind(); SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_all_tables WHERE relid = 'sellometer.carts'::regclass; COMMIT}),
	'<', sql('SELECT count(*) / 4 FROM sellometer.left_in_cart'), '... nor are their carts looked at again');

# What comes late is of a time that was looked at; so is what is left since a file that told otherwise was taken out
write_object($in, 'late.csv', csv(map { event(event_time => '2019-10-01 10:02:00', event_type => 'cart', product_id => $_ * 10 + 7, user_id => $_ * 10 + 7,
	user_session => "late-$_") } 1 .. 40));
wait_until_loaded($node);
is(remind('what comes late', 1e6), '40', 'late ones');
is(remind('the same again', 1e6), '0', '... once');
for my $key (grep { -e "$in/$_" } @keys[8 .. 11])
{
	sql("SELECT sellometer_unload('shop', '$key')");
	unlink("$in/$key");
}
cmp_ok(remind('left again', 1e6), '>', 0, 'of what was bought, or taken out, by files that are gone');
is(remind('no more', 1e6), '0', '... once');

# More comes: left an hour later
write_object($in, 'more.csv', csv(map { my $h = $_; map { event(event_time => "2019-10-01 12:5$_:00", event_type => 'cart', product_id => $h * 10 + $_,
	user_id => $h * 10, user_session => "more-$h") } 0 .. 1 } 1 .. HISTORIES / 2));
give($heads[1]);
wait_until_loaded($node);
cmp_ok(remind('those who had none', 1e6), '>', 100, 'who has had no reminder gets one');
cmp_ok(sql('SELECT count(*) FROM sellometer.carts_to_remind'), '>', 100, 'others wait for the end of the pause');
sub hours_pass { my ($n) = @_; return sql("UPDATE sellometer.reminders SET reminded_at = reminded_at - interval '$n hours'; UPDATE sellometer.reminder_revisits SET told_at = told_at - interval '$n hours'"); }
hours_pass(23);
is(remind('not yet', 1e6), '0', 'a day less a bit');
hours_pass(1);
sql('TRUNCATE paused');
cmp_ok(remind('after the pause', 1e6), '>', 100, 'then they get it');
sql('SELECT sellometer_reminder_opt_out(user_id, false) FROM (SELECT user_id FROM sellometer.reminder_opt_outs) o');
cmp_ok(remind('those who want some again', 1e6), '>', 20, 'users may change their mind');
sql("ALTER SYSTEM SET sellometer.reminder_pause = 0");
$node->reload;
sql("UPDATE sellometer.reminders SET reminded_at = now(); TRUNCATE paused");
write_object($in, 'yet-more.csv', csv(map { event(event_time => '2019-10-01 12:55:00', event_type => 'cart', product_id => $_ * 10 + 5,
	user_id => $_ * 10, user_session => "more-$_") } 1 .. 30));
wait_until_loaded($node);
is(remind('without a pause', 1e6), '30', 'at once');

# --- few carts are read where few are wanted ---

my $plan = sql(q{BEGIN; INSERT INTO sellometer.user_cart_log SELECT i, i, '2019-10-01', NULL FROM generate_series(1, 20000) i; ANALYZE sellometer.carts;
	EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) SELECT FROM sellometer.left_in_cart; ROLLBACK});
like($plan, qr/Hash Anti Join.*Batches: 1 /s, 'what is not folded yet is hashed, and at once');
unlike($plan, qr/Batches: (?!1 )/, 'no cart has to wait for others');

# --- a user is forgotten ---

my $user = sql('SELECT max(user_id) FROM sellometer.reminders r WHERE EXISTS (SELECT FROM sellometer.user_cart_times u WHERE u.user_id = r.user_id)');
sql("INSERT INTO sellometer.reminder_opt_outs VALUES ($user)");
my $others = "SELECT count(DISTINCT (user_id, product_id)) FROM sellometer.user_cart_times WHERE user_id <> $user";
my $before = sql($others);
sql("CALL sellometer_forget_user($user)");
is(sql("SELECT count(*) FROM (SELECT user_id FROM sellometer.carts UNION ALL SELECT user_id FROM sellometer.user_cart_times UNION ALL SELECT user_id FROM sellometer.reminders
		UNION ALL SELECT user_id FROM sellometer.reminder_items UNION ALL SELECT user_id FROM sellometer.reminder_opt_outs) x WHERE user_id = $user"), '0', 'nothing tells of the user');
is(sql($others), $before, 'all others are there');
is(sql(q{SELECT count(*) FROM sellometer.reminder_items i WHERE NOT EXISTS (SELECT FROM sellometer.reminders r WHERE r.id = i.reminder_id)}), '0', 'no item is without its reminder');

# --- time goes on ---

write_object($in, 'days-later.csv', csv(event(event_time => '2019-10-09 10:00:00', user_session => 'later')));
wait_until_loaded($node);
sql('CALL sellometer_prune()');
is(sql('SELECT (SELECT count(*) FROM sellometer.carts), (SELECT count(*) FROM sellometer.user_cart_times), (SELECT count(*) FROM sellometer.reminder_items), (SELECT count(*) FROM sellometer.reminders)'),
	'0|0|0|0', 'all of it goes with the carts');

is(join("\n", unexpected_in_log($node)), '', 'nothing unexpected in the log');
$node->stop;
done_testing();
