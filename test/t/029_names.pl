# What products are called in files: whatever the order of files, and with what happens in between, it is what plain SQL makes of all rows.
# SLM_SEEDS: which seeds to run, e.g. "1-100" or "7" (default: three).
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use SlmHistory;
use SlmRandom;
use SlmTest;
use Test::More;

my $node = slm_node('names', conf => "fsync = off\nlog_checkpoints = off\nsellometer.poll_interval = 50ms\nsellometer.debug_chunk_rows = 300\n");
die 'needs an extension that was built with COPT=-DUSE_ASSERT_CHECKING' if !can_make_chunks_small($node);
my ($first, $last) = ($ENV{SLM_SEEDS} // '1-3') =~ /^(\d+)(?:-(\d+))?$/;

sub irandom { return int rand $_[0]; }

sub value { return $node->safe_psql('shop', 'SET client_min_messages = warning; ' . $_[0]); }

my @NAMES = ('', '', 'null', 'Lamp', 'lamp', 'Lämp', 'Lamp, red', 'a "b"', ' Lamp ', 'Zebra', 'Lamp 2', "x" x 1200);

# A file's rows, in any order within an hour or two, and what they say: time, product, name; every tenth is unusable.
sub make_file
{
	my ($rows) = @_;
	my $named = chance(0.85);
	my $from = irandom(20) * 1800;
	my $content = 'event_time,event_type,product_id,price,user_session' . ($named ? ',product_name' : '') . "\n";

	for (1 .. 1 + irandom(chance(0.2) ? 1500 : 40))
	{
		my $at = $from + irandom(5400);
		my $time = sprintf('2019-10-01 %02d:%02d:%02d', $at / 3600, $at / 60 % 60, $at % 60);
		my ($product, $price, $name) = (1 + irandom(25), chance(0.05) ? 'x' : '1.50', pick(@NAMES));

		$content .= join(',', $time, pick('view', 'purchase', 'cart'), $product, $price, 's' . irandom(9),
			$named ? (chance(0.5) || $name =~ /[",]/ ? '"' . $name =~ s/"/""/gr . '"' : $name) : ()) . "\n";
		push @$rows, [ $time, $product, $name ] if $named && $price ne 'x';
	}
	return $content;
}

# Of each product: of its latest hour with a name the first in the order of bytes.
sub agrees
{
	my ($rows, $name) = @_;
	my $list = join(', ', map { sprintf('(%s, %d, %s)', quoted($_->[0] . 'Z'), $_->[1], quoted($_->[2])) } @$rows, [ '2000-01-01 00:00', 0, '' ]);

	$node->safe_psql('shop', "CREATE TABLE IF NOT EXISTS said (at timestamptz, product bigint, name text COLLATE \"C\"); TRUNCATE said; INSERT INTO said VALUES $list");
	is(value(q{
		WITH expected AS (
			SELECT DISTINCT ON (product) product, left(name, 1000) AS name, date_trunc('hour', at, 'UTC') AS hour
			FROM (SELECT at, product, btrim(name) AS name FROM said) s WHERE name NOT IN ('', 'null') ORDER BY product, 3 DESC, name)
		SELECT coalesce(e.product, n.product_id), left(e.name, 20), e.hour, left(n.name, 20), n.hour FROM expected e FULL JOIN sellometer.product_names n ON n.product_id = e.product
		WHERE (e.name, e.hour) IS DISTINCT FROM (n.name, n.hour) ORDER BY 1}), '', "$name: names agree");
	cmp_ok(value('SELECT count(*) FROM sellometer.product_names'), '>', 3, "$name: there are some");
	return;
}

sub quoted { return "'" . $_[0] =~ s/'/''/gr . "'"; }

sub history
{
	my ($seed) = @_;
	my $dir = slm_directory($node, "names_$seed");
	my (@rows, @keys);

	srand($seed);
	note("seed $seed");
	$node->safe_psql('shop', 'SET client_min_messages = warning; DROP EXTENSION IF EXISTS sellometer CASCADE; CREATE EXTENSION sellometer');
	$node->safe_psql('shop', 'ALTER SYSTEM SET sellometer.surge_bytes = ' . quoted(pick('1kB', '256MB')));
	$node->reload;
	mkdir "$dir/$_" foreach (qw(now in out));
	value("SELECT sellometer_add_source('a', 'file://$dir/in/', archive_url => 'file://$dir/out/')");
	for my $n (1 .. 40)
	{
		push @keys, "$n.csv";
		write_file("$dir/now/$n.csv", make_file(\@rows));
	}
	# a clock that is two days ahead has no say
	write_file("$dir/now/jump.csv", join("\n", 'event_time,event_type,product_id,price,product_name', (map { "2019-10-01 09:00:0$_,view,1,1,Lamp" } 0 .. 9), '2019-10-03 09:00:00,view,1,1,A lamp', ''));
	push @rows, [ '2019-10-01 09:00:00', 1, 'Lamp' ];
	for my $key (shuffled(@keys, 'jump.csv'))
	{
		link_object("$dir/now", "$dir/in", $key);
		wait_until_loaded($node) if chance(0.1);
		if (chance(0.05))
		{
			$node->stop('immediate');
			$node->start;
		}
	}
	wait_until_loaded($node);
	is(value("SELECT count(*) FROM sellometer.rejected_rows WHERE reason = 'clock_jump'"), '1', 'a clock was wrong');
	agrees(\@rows, "seed $seed");

	# what is made anew or taken out changes no name, nor does the user's word
	value("INSERT INTO sellometer.products VALUES (2, 'Mine'), (3, ' ')");
	value('CALL sellometer_archive()');
	value("SELECT sellometer_replay('a', '-infinity', 'infinity')");
	value("SELECT sellometer_unload('a', '$keys[0]')");
	agrees(\@rows, "seed $seed, from archives");
	is(value('SELECT sellometer_product_name(2)'), 'Mine', 'the user has the last word');
	is(value('SELECT sellometer_product_name(3) = (SELECT sellometer.name_in_a_line(name) FROM sellometer.product_names WHERE product_id = 3)'), 't', '... but not by saying nothing');
	return;
}

history($_) foreach ($first .. $last // $first);
is(join("\n", unexpected_in_log($node)), '', 'nothing unexpected in the log');
$node->stop;
done_testing();
