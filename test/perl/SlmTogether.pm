
=pod

=head1 NAME

SlmTogether - a random database that uses all there is, along a random history, held against the oracle

=head1 SYNOPSIS

  my $node = slm_node('together', conf => together_conf());
  together($node, 7);                             # seed 7: tests for all tables, several times
  together($node, 7, 3);                          # and three nodes beside it, which do the same and have the same together

=head1 WHAT IS RANDOM

From the seed come: the shop's zone, about a day on which its clocks change, and the tiers of days, weeks and months; sources in formats of their
own or none, with or without pieces, event ids, texts as products, currencies, and columns for dimensions of one's own; sessions that come again in
several files of several sources, and files that come late, twice, or in any order; and what happens between them: files are loaded, merged,
rolled up, pruned, archived, replayed, taken out, replaced, tried again with other rates, labels change, dimensions and visits are begun late, and
all processes of the server are killed while it works.

What must come of it the oracle makes of the rows that were drawn. The order of all this is the same each time for a seed; at which point of its work
something is killed is not.

=cut

package SlmTogether;

use strict;
use utf8;
use warnings FATAL => 'all';

use Exporter 'import';
use File::Path qw(make_path);
use IPC::Run ();
use POSIX qw(strftime);
use PostgreSQL::Test::Utils;
use SlmCrash;
use SlmFormats;
use SlmHistory qw(can_make_chunks_small);
use SlmNodes qw(know_each_other);
use SlmRandom;
use SlmSlices qw(in_database make_slices slice_differences slice_sums);
use SlmTest;
use Test::More;
use Time::Local qw(timegm);

our @EXPORT = qw(together_conf together);

# Zones, and a day on which their clocks change.
my @ZONES = ([ 'Europe/Berlin', 2019, 10, 27 ], [ 'America/Sao_Paulo', 2018, 11, 4 ], [ 'Australia/Lord_Howe', 2019, 4, 7 ], [ 'America/New_York', 2019, 3, 10 ],
	[ 'America/Havana', 2019, 11, 3 ], [ 'Asia/Kolkata', 2019, 10, 27 ], [ 'America/Sao_Paulo', 2019, 2, 17 ], [ '', 2019, 10, 27 ],
	[ 'Australia/Lord_Howe', 2019, 10, 6 ], [ 'America/St_Johns', 2019, 11, 3 ], [ 'Africa/Casablanca', 2019, 5, 5 ]);
my $EPOCH = timegm(0, 0, 0, 27, 9, 2019);		# where SlmFormats counts seconds from
my $DAYS = 6;
my %SETTINGS = ('batch_bytes' => [qw(64kB 256kB 16MB)], 'work_memory' => [qw(16MB 64MB)], 'surge_bytes' => [qw(1kB 256MB)], 'fill_pages' => [qw(on off)],
	'live_lateness' => [qw(0 5min 1h 2d)], 'debug_chunk_rows' => [qw(100 300 100000)]);
my @PRODUCTS = (1 .. 12);
my @TEXTS = ('AB-1', 'ab-1', '007', 'Ä 7', 'x/y', '7.0');
my @CURRENCIES = qw(EUR JPY GBP);
my %DIMENSIONS = (channel => "'channel', empty => 'none'", region => "'region', separator => '/', levels => 2", shop => "'shop', of => 'source'", label => "'label', 'Brand'");

=pod

=head1 FUNCTIONS

=over

=item together_conf()

Lines of postgresql.conf: nothing happens by itself, and views and ids are known for longer than a history is.

=cut

sub together_conf
{
	return <<'CONF';
sellometer.database = ''
fsync = off
log_checkpoints = off
autovacuum = off
restart_after_crash = on
timezone = 'UTC'
sellometer.view_window = 60d
sellometer.view_log_retention = 365d
sellometer.max_reject_fraction = 1
sellometer.shift_min_events = 100000
CONF
}

sub sql { my ($h, $sql) = @_; return $h->{node}->safe_psql('shop', "SET client_min_messages = error; $sql"); }

# In the database that counts all, and in those that count a slice each, if there are some.
sub sql_in_all { my ($h, $sql) = @_; in_database($h->{node}, $_, $sql) foreach ('shop', @{ $h->{slices} }); return; }
sub irandom { return int rand $_[0]; }

# Some settings, for one session.
sub some_settings
{
	return join(' ', map { chance(0.4) ? "SET sellometer.$_ = '" . pick(@{ $SETTINGS{$_} }) . "';" : () } sort keys %SETTINGS);
}

sub stamp { my ($seconds) = @_; return strftime('%Y-%m-%d %H:%M:%S+00', gmtime($seconds)); }

# --- rows ---

# At a time: by few sessions, users and orders, of few products, at few prices, so that much comes again.
sub row_at
{
	my ($h, $time, $writer) = @_;
	my $day = int(($time - $h->{start}) / 86400);
	my $product = $writer->{format}{product_ids} && chance(0.5) ? pick(@TEXTS) : pick(@PRODUCTS);

	return {
		second => $time - $EPOCH, micros => pick(0, 0, 0, 250_000), event_type => pick(qw(view view view cart remove_from_cart purchase purchase)), product_id => $product,
		category_id => pick('', 100 + irandom(3)), category_code => pick('', 'a.b', 'a.c', 'd'), brand => pick('', 'acme', 'zz', 'Ünï'), price => pick('1.5000', '2.0000', '19.9900', '100.0000'),
		user_id => pick('', 1 .. 6), user_session => pick('', map { "s-$_" } map { int(($day + rand 3) / 2) * 10 + $_ } 1 .. 4), quantity => pick('', 1, 2, 5),
		event_id => pick('', 'o-' . ($day * 20 + irandom(30)), 'o-' . irandom(200)), currency => pick('', 'USD', @CURRENCIES, chance(0.1) ? 'XXX' : 'EUR'), product_name => pick('', "Lamp $product"),
		channel => pick('web', 'app', '', '-', 'Ä'), region => pick('eu/de/be', 'eu/fr', 'eu', '', 'us/ny') };
}

# One file of a source, of an hour or so; the first row is of a product and in a currency that all know.
sub draw_file
{
	my ($h, $source) = @_;
	my $hour = $h->{start} + 86400 * irandom($DAYS) + 3600 * pick(0 .. 7, 21 .. 23) + pick(0, 0, 1800);
	my $writer = $h->{writer}{$source};
	my @rows = map { row_at($h, $hour + pick(irandom(3600), 60 * irandom(60), 1800, 3599, 3600), $writer) } 1 .. 2 + irandom(chance(0.2) ? 150 : 25);

	$rows[0]{$_} = '' foreach (qw(currency quantity));
	$rows[0]{product_id} = 1;
	return file_of($h, $source, sprintf('%s-%d.csv', chance(0.8) ? strftime('%Y-%m-%d-%H-%M', gmtime($hour)) : 'file', ++$h->{files}), @rows);
}

sub file_of
{
	my ($h, $source, $key, @rows) = @_;
	my $object = written($h->{writer}{$source}, $key, @rows);

	@$object{qw(source drawn)} = ($source, \@rows);
	return $object;
}

# The newest, which stays: where the head has been is where it is in the end, so nothing is gone that has to be there.
sub newest
{
	my ($h) = @_;

	return file_of($h, 's1', 'newest.csv', map { { second => $h->{start} + $DAYS * 86400 + 60 * $_ - $EPOCH, event_type => 'purchase', product_id => $_, price => '2.0000' } } 1 .. 5);
}

# As it is, or some of its rows at another time.
sub draw_copy
{
	my ($h) = @_;
	my $of = $h->{there}{ pick(sort keys %{ $h->{there} }) };
	my $by = pick(0, 0, -60, 3600, -3600, -86400);
	my $copy = file_of($h, pick(sort keys %{ $h->{writer} }), 'copy-' . ++$h->{files} . '.csv', map { { %$_, second => $_->{second} + (chance(0.5) ? $by : 0) } } @{ $of->{drawn} });

	return $copy;
}

# Where its files are; slices have their own, as they archive them by themselves.
sub places { my ($h, $source) = @_; return map { "$h->{dir}/$source/$_" } ('in', @{ $h->{slices} } ? 'in_slices' : ()); }

sub put
{
	my ($h, $object) = @_;

	for my $in (places($h, $object->{source}))
	{
		unlink "$in/$object->{key}";
		write_object($in, $object->{key}, $object->{content});
	}
	$h->{there}{ $object->{key} } = $object;
	return;
}

# --- what happens ---

sub loaded { my ($h, $states) = @_; return map { [ split(/\|/) ] } split(/\n/, sql($h, "SELECT source, key FROM sellometer.objects WHERE state IN ($states) AND key <> 'newest.csv' ORDER BY md5(key || " . irandom(1000) . ')')); }

# Since when, as rates were then; nothing is tried meanwhile.
sub note_tried
{
	my ($h) = @_;

	load_all($h) if @{ $h->{slices} };
	sql($h, "INSERT INTO kept.tried SELECT key, $h->{version} FROM sellometer.objects o WHERE state IN ('done', 'archived') AND NOT EXISTS (SELECT FROM kept.tried t WHERE t.object = o.key)")
	  if $h->{version};
	return;
}

sub load_all
{
	my ($h) = @_;

	my $waiting = 1;

	for (1 .. 20)
	{
		sql_in_all($h, some_settings() . 'CALL sellometer_ingest(); CALL sellometer_merge_backlog()');
		$waiting = grep { in_database($h->{node}, $_, q{SELECT count(*) FROM sellometer.objects WHERE state IN ('pending', 'backlog')}) > 0 } ('shop', @{ $h->{slices} });
		return if $waiting == 0;
	}
	die 'not all is loaded: ' . sql($h, q{SELECT key, state, error FROM sellometer.objects WHERE state IN ('pending', 'backlog')});
}

sub change_rates
{
	my ($h) = @_;

	note_tried($h);
	$h->{version}++;
	for (1 .. 1 + irandom(4))
	{
		my $currency = pick(@CURRENCIES);
		my $from = chance(0.3) ? '-infinity' : stamp($h->{start} + irandom(86400 * $DAYS));

		sql_in_all($h, chance(0.15) && $currency ne 'EUR' ? "DELETE FROM sellometer.currency_rates WHERE currency = '$currency'"
			: "INSERT INTO sellometer.currency_rates VALUES ('$currency', '$from', " . pick(1, 0.5, 1.0915, 0.0092, 7.123456789012) . ') ON CONFLICT (currency, from_time) DO UPDATE SET rate = excluded.rate');
	}
	sql_in_all($h, "INSERT INTO sellometer.currency_rates VALUES ('EUR', '-infinity', 1.1) ON CONFLICT DO NOTHING");
	sql($h, "INSERT INTO kept.rate SELECT $h->{version}, * FROM sellometer.currency_rates");
	return;
}

# Rows that were left out, once more; those of a file that was tried with these rates already stay out.
sub have_back
{
	my ($h) = @_;

	note_tried($h);
	for (grep { chance(0.4) } loaded($h, q{'done', 'archived'}))
	{
		my ($source, $key) = @$_;

		sql($h, "SELECT sellometer_retry('$source', '$key') FROM sellometer.objects WHERE key = '$key' AND state IN ('done', 'archived') AND rows_rejected > 0; INSERT INTO kept.tried VALUES ('$key', $h->{version}) ON CONFLICT DO NOTHING")
		  if sql($h, "SELECT count(*) FROM sellometer.objects WHERE key = '$key' AND state IN ('done', 'archived') AND rows_rejected > 0");
		in_database($h->{node}, $_, "SELECT sellometer_retry('$source', '$key') FROM sellometer.objects o WHERE key = '$key' AND state IN ('done', 'archived') AND sellometer.has_left_out(o)") foreach (@{ $h->{slices} });
	}
	return;
}

sub take_out
{
	my ($h) = @_;
	my ($one) = loaded($h, q{'done', 'archived'});

	return 'nothing is loaded' unless defined $one;
	my ($source, $key) = @$one;
	load_all($h) if @{ $h->{slices} };
	sql_in_all($h, some_settings() . (chance(0.5) ? "SELECT sellometer_unload('$source', '$key')" : "CALL sellometer_unload_in_steps('$source', '$key')"));
	sql($h, "DELETE FROM kept.tried WHERE object = '$key'");
	unlink "$_/$key" foreach (places($h, $source));
	delete $h->{there}{$key};
	return "$key of $source";
}

sub archived_by_all
{
	my ($h, $source, $key) = @_;

	return !grep { in_database($h->{node}, $_, "SELECT count(*) FROM sellometer.objects WHERE source = '$source' AND key = '$key' AND state = 'archived'") == 0 } @{ $h->{slices} };
}

# Slice 0 packs, the others take over what it has packed, and then it deletes the originals.
sub archive
{
	my ($h) = @_;

	in_database($h->{node}, $_, 'CALL sellometer_archive()') foreach ('shop', @{ $h->{slices} }, @{ $h->{slices} } ? 's0' : ());
	return;
}

sub replace
{
	my ($h) = @_;
	my ($one) = grep { archived_by_all($h, @$_) } loaded($h, q{'archived'});

	return 'nothing is archived' unless defined $one;
	my ($source, $key) = @$one;
	my @rows = grep { chance(0.6) } @{ $h->{there}{$key}{drawn} };
	my $new = file_of($h, $source, $key, { %{ $h->{there}{$key}{drawn}[0] } }, @rows, map { { %$_, second => $_->{second} + 7, event_type => pick(qw(view purchase)) } } @rows[ 0 .. ($#rows > 3 ? 3 : $#rows) ]);
	note_tried($h);
	put($h, $new);
	load_all($h);
	return "$key of $source is as it was" if sql($h, "SELECT count(*) FROM sellometer.objects WHERE source = '$source' AND key = '$key' AND state = 'failed'") == 0;
	my $replace = some_settings() . "SELECT sellometer_retry('$source', '$key', replace => true)";
	is(in_database($h->{node}, $_, $replace), '1', "seed $h->{seed}: $key is replaced in $_") foreach ('shop', @{ $h->{slices} });
	sql($h, "DELETE FROM kept.tried WHERE object = '$key'");
	note_tried($h);
	return "$key of $source";
}

# A range, of a source or all of them; mostly with ends that are no buckets'.
sub replay
{
	my ($h) = @_;
	my ($from, $to) = map { stamp($h->{start} + irandom($DAYS * 86400)) } 1, 2;

	($from, $to) = ($to, $from) if $from gt $to;
	($from, $to) = ('-infinity', 'infinity') if chance(0.3);
	my $source = chance(0.5) ? 'NULL' : "'" . pick(sort keys %{ $h->{writer} }) . "'";
	sql_in_all($h, some_settings() . "SELECT sellometer_replay($source, '$from', '$to')");
	return "$source from $from to $to";
}

sub relabel
{
	my ($h) = @_;
	my $since = chance(0.3) ? '-infinity' : stamp($h->{start} + irandom($DAYS * 86400));
	my $call = pick(
		"sellometer_relabel('" . pick('x.y', 'garden', 'a.b') . "', product_id => " . pick(@PRODUCTS), "sellometer_relabel('" . pick('x.y', 'p.q.r.s') . "', category_id => " . (100 + irandom(3)),
		"sellometer_relabel_brand('" . pick('Acme & Sons', 'until') . "', brand => 'acme'", "sellometer_relabel_brand('own', product_id => " . pick(@PRODUCTS));

	sql_in_all($h, "CALL $call, since => '$since')");
	return "$call from $since";
}

sub add_dimension
{
	my ($h) = @_;
	my ($name) = shuffled(grep { !$h->{dimensions}{$_} } sort keys %DIMENSIONS);

	return 'no more of them' unless defined $name;
	# a node counts no visits, and which keys come first it tells by its own rows
	my $more = @{ $h->{slices} } ? '' : (chance(0.5) ? ', visits => true' : '') . (chance(0.3) ? ', max_keys => ' . pick(1, 2, 3) : '');

	$h->{dimensions}{$name} = 1;
	sql_in_all($h, "SELECT sellometer_add_dimension($DIMENSIONS{$name}$more)");
	return "$name$more";
}

sub add_tier
{
	my ($h) = @_;
	my ($name) = shuffled(sort keys %{ $h->{more_tiers} });

	return 'no more of them' unless defined $name;
	sql_in_all($h, "SELECT sellometer_add_tier('$name', $h->{more_tiers}{$name})");
	delete $h->{more_tiers}{$name};
	return $name;
}

sub count_visits
{
	my ($h) = @_;

	return 'already' if $h->{visits}++;
	note_tried($h);
	sql($h, "SELECT sellometer_count_visits('-infinity')");
	return 'from the beginning on';
}

# All processes at once, while something works that can be done again.
sub kill_at_work
{
	my ($h) = @_;
	my $call = pick('CALL sellometer_ingest()', 'CALL sellometer_ingest()', 'CALL sellometer_merge_backlog()', 'CALL sellometer_rollup()', 'CALL sellometer_prune()', 'CALL sellometer_archive()',
		"SELECT sellometer_replay(NULL, '-infinity', 'infinity')");
	my $output = '';
	my $database = @{ $h->{slices} } ? pick('shop', @{ $h->{slices} }) : 'shop';
	my $work = IPC::Run::start([ 'psql', '-XqAt', '-d', $h->{node}->connstr($database), (map { ('-c', $_) } split(/(?<=;)/, some_settings()), $call) ], '<', \undef, '>&', \$output);

	select(undef, undef, undef, rand 0.3);
	kill_server($h->{node});
	$work->finish;
	return $call;
}

my %STEP = (
	put => sub { my ($h) = @_; put($h, $_) foreach (splice(@{ $h->{waiting} }, 0, 1 + irandom(6))); return; },
	copy => sub { my ($h) = @_; put($h, draw_copy($h)) if %{ $h->{there} }; return; },
	ingest => sub { sql_in_all($_[0], some_settings() . 'CALL sellometer_ingest()'); return; },
	merge => sub { sql_in_all($_[0], some_settings() . 'CALL sellometer_merge_backlog()'); return; },
	rollup => sub { sql_in_all($_[0], 'CALL sellometer_rollup()'); return; },
	prune => sub { sql_in_all($_[0], 'CALL sellometer_prune()'); return; },
	archive => \&archive,
	rates => \&change_rates, have_back => \&have_back, take_out => \&take_out, replace => \&replace, replay => \&replay, relabel => \&relabel,
	add_dimension => \&add_dimension, add_tier => \&add_tier, visits => \&count_visits, kill => \&kill_at_work);
my @STEPS = ((map { ($_) x 4 } qw(ingest merge rollup)), (map { ($_) x 2 } qw(prune archive copy replay take_out replace have_back)), sort keys %STEP);

sub step
{
	my ($h, $name) = @_;
	my $what = $STEP{$name}->($h);

	push @{ $h->{did} }, $name . (defined $what && $what !~ /^\d*$/ ? " ($what)" : '');
	note("  $h->{did}[-1]");
	return;
}

# --- judging ---

# Tiers, stored and with what is not rolled up yet, as far as they are kept.
sub tier_differences
{
	my ($h) = @_;

	return sql($h, q{
		SELECT oracle.build_tier(name, granularity, zone) FROM sellometer.tiers WHERE name NOT IN ('minute', 'hour');
		SELECT 'tier', t.name, v.realtime, d.* FROM sellometer.tiers t JOIN sellometer.kept() k ON k.tier = t.name, (VALUES (false), (true)) v (realtime),
			LATERAL (SELECT * FROM oracle.diff(t.name, k.floor, CASE WHEN v.realtime THEN 'infinity' ELSE t.watermark END, v.realtime) LIMIT 5) d}) =~ s/^\n+//r;
}

# What slices have together, and the database that counts all: all tiers, also of dimensions of one's own, and all that is kept besides.
sub slice_sums_of
{
	my ($h) = @_;
	my $sums = slice_sums();
	my %wanted = map { ($_ => $sums->{$_}) } qw(offers rejected ledger head);

	$wanted{ledger} =~ s/state AS event_type/NULL::text AS event_type/;
	# what is older goes by prune, whenever that is called
	$wanted{carts} = q{cart_at AS event_time, NULL::text AS event_type, c::text AS key, NULL::text AS more, 1 AS n, 0 AS sum FROM sellometer.cart_states c WHERE state IN ('waiting', 'open')};
	$wanted{names} = 'NULL::timestamptz AS event_time, NULL::text AS event_type, p::text AS key, NULL::text AS more, 1 AS n, 0 AS sum FROM sellometer.product_names p';
	$wanted{skus} = $wanted{names} =~ s/product_names/skus/r;
	for my $tier (split(/\n/, sql($h, 'SELECT name FROM sellometer.tiers')))
	{
		my $floor = "(SELECT floor FROM sellometer.kept() WHERE tier = '$tier')";

		$wanted{"totals $tier"} = "event_time, event_type::text, tier AS key, NULL AS more, count::bigint AS n, gmv AS sum FROM sellometer.totals WHERE tier = '$tier' AND event_time >= $floor";
		for my $dimension (qw(product_id brand category_l1 category_l2 category_l3), sort keys %{ $h->{dimensions} // {} })
		{
			foreach (split(/\n/, sql($h, "SELECT dimension FROM sellometer.dimensions() WHERE dimension = '$dimension' OR dimension ~ '^${dimension}_l?[0-9]'")))
			{
				$wanted{"$_ $tier"} = "event_time, event_type::text, $_\::text AS key, NULL AS more, count::bigint AS n, gmv AS sum FROM sellometer.realtime_${_}_$tier WHERE event_time >= $floor";
			}
		}
	}
	return \%wanted;
}

# Some keys of all dimensions, each in a range: the rows behind them that counted.
sub behind_differences
{
	my ($h, $n) = @_;
	my $keys = q{unnest(ARRAY['product_id', 'brand', 'category_l1', 'category_l2', 'category_l3'] || ARRAY(SELECT name FROM oracle.own_dimension ORDER BY n),
		ARRAY[c.product_id::text, c.brand, c.l1, c.l2, c.l3] || oracle.counted_keys(c.own))};
	my $wrong = '';

	for (1 .. $n)
	{
		my ($dimension, $type, $key) = split(/\t/, sql($h, "SELECT format(E'%s\\t%s\\t%s', k.dimension, c.event_type, quote_literal(k.key)) FROM oracle.counted c, $keys k (dimension, key) WHERE k.key <> ''
			ORDER BY md5(c::text || k.dimension || " . irandom(1e6) . ') LIMIT 1'), 3);
		my ($from, $to) = map { stamp($h->{start} + irandom($DAYS * 86400)) } 1, 2;

		($from, $to) = ($to, $from) if $from gt $to;
		($from, $to) = ('-infinity', 'infinity') if chance(0.5);
		$wrong .= sql($h, "WITH e AS (SELECT coalesce(sum(quantity), 0) AS n, coalesce(sum(price * quantity), 0)::numeric(60, 4) AS gmv
				FROM sellometer_events('$dimension', $key, '$from', '$to', '$type') WHERE verdict = 'counted'),
			o AS (SELECT coalesce(sum(quantity), 0) AS n, coalesce(sum(price * quantity), 0)::numeric(60, 4) AS gmv FROM oracle.counted c, $keys k (dimension, key)
				WHERE k.dimension = '$dimension' AND k.key = $key AND event_type = '$type' AND t >= '$from' AND t < '$to')
			SELECT \$\$events of $dimension $key, $type, $from to $to\$\$, o.*, e.* FROM e, o WHERE e IS DISTINCT FROM o");
	}
	return $wrong;
}

# Whether all is as the rows have it, but for what the oracle does not know.
sub agrees
{
	my ($h, $when, %but) = @_;
	my $name = "seed $h->{seed}, $when";
	my @wrong;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	load_all($h);
	note_tried($h);
	known_load($h->{node}, map { $h->{there}{$_} } sort keys %{ $h->{there} });
	sql($h, 'UPDATE oracle.setting SET max_reject_fraction = 1; INSERT INTO oracle.rate SELECT * FROM kept.rate; INSERT INTO oracle.tried SELECT * FROM kept.tried; SELECT oracle.relabel(); SELECT oracle.build()');
	my %looks = (
		tiers => sub { tier_differences($h) },
		visits => sub { $h->{visits} && !$but{visits} ? sql($h, "SELECT * FROM oracle.diff_visits('$h->{window}', '" . ($h->{zone} || 'UTC') . "') LIMIT 10") : '' },
		carts => sub { $but{carts} ? '' : sql($h, 'SELECT * FROM oracle.diff_carts() LIMIT 10') },
		offers => sub { sql($h, '(SELECT * FROM oracle.diff_offers() LIMIT 10); SELECT FROM sellometer.fold_offers(); SELECT * FROM oracle.diff_offers() LIMIT 10; SELECT * FROM oracle.diff_sold() LIMIT 10') =~ s/^\n//r },
		events => sub { behind_differences($h, 6) },
		ledger => sub { sql($h, q{SELECT * FROM oracle.diff_objects() WHERE object NOT IN (SELECT key FROM sellometer.objects WHERE state IN ('skipped', 'failed')) LIMIT 10}) },
		slices => sub { @{ $h->{slices} } ? join("\n", slice_differences($h->{node}, slice_sums_of($h), @{ $h->{slices} })) : '' },
		failed => sub { sql($h, q{SELECT key, error FROM sellometer.objects WHERE state = 'failed'}) },
		check => sub { sql($h, q{SELECT name || ': ' || detail FROM sellometer_check() WHERE NOT ok AND name !~ '^(job |objects of|expired rows|arrivals|sources|procedure |loading|locks)' AND name NOT IN ('pg_cron', 'worker')}) });
	for my $look (sort keys %looks)
	{
		my $found = $looks{$look}->();

		push @wrong, "$look:\n$found" if $found ne '';
	}
	my $rows = sql($h, 'SELECT count(*) FROM oracle.counted');
	ok(@wrong == 0 && $rows > 0, "$name: $rows rows that count, and all is as they have it") or diag(join("\n", @wrong, 'it did:', @{ $h->{did} }));
	return @wrong == 0;
}

# --- one history ---

# Databases of the same server, which know each other.
sub draw_slices
{
	my ($h, $zone) = @_;

	return if !$h->{n};
	$h->{slices} = [ make_slices($h->{node}, undef, $h->{n}) ];
	$h->{node}->safe_psql('postgres', "ALTER DATABASE $_ SET sellometer.timezone = '$zone'") foreach (@{ $h->{slices} });
	know_each_other([ $h->{node} ], @{ $h->{slices} });
	return;
}

sub draw_database
{
	my ($h) = @_;
	my ($zone, @day) = @{ $ZONES[ ($h->{seed} - 1) % @ZONES ] };
	my $node = $h->{node};

	$h->{zone} = $zone;
	$h->{start} = timegm(0, 0, 0, $day[2], $day[1] - 1, $day[0]) - 86400 * (1 + irandom(3));
	$h->{window} = pick('30min', '1s', '2h', '1d');
	$node->safe_psql('postgres', "ALTER DATABASE shop SET sellometer.timezone = '$zone'; ALTER DATABASE shop SET sellometer.order_window = '$h->{window}'");
	sql($h, q{DROP EXTENSION IF EXISTS sellometer CASCADE; DROP SCHEMA IF EXISTS oracle CASCADE; CREATE EXTENSION sellometer; ALTER TABLE sellometer.sources ALTER same_content SET DEFAULT 'count';
		DROP SCHEMA IF EXISTS kept CASCADE; CREATE SCHEMA kept; CREATE TABLE kept.rate (version integer, currency text, from_time timestamptz, rate numeric);
		CREATE TABLE kept.tried (object text, version integer, PRIMARY KEY (object, version))});
	draw_slices($h, $zone);
	sql_in_all($h, "SELECT sellometer_add_tier('half_hour', '30 minutes', '1 month')") if $zone =~ /Howe|Johns|Kolkata/ && chance(0.7);
	sql_in_all($h, "SELECT sellometer_add_tier('day', '1 day', NULL)");
	$h->{more_tiers} = { week => "'7 days'", month => "'1 month'" };
	for my $source (map { "s$_" } 1 .. 2 + irandom(3))
	{
		my $writer = $h->{writer}{$source} = format_writer(seed => $h->{seed} * 100 + substr($source, 1), own => [qw(channel region)], naive => chance(0.3), zone => chance(0.5) ? $zone : undef);

		make_path(map { "$h->{dir}/$source/$_" } qw(in out in_slices out_slices));
		sql($h, "SELECT sellometer_add_source('$source', 'file://$h->{dir}/$source/in/', archive_url => 'file://$h->{dir}/$source/out/', format => " . format_literal($writer) . ')');
		in_database($node, $_, "SELECT sellometer_add_source('$source', 'file://$h->{dir}/$source/in_slices/', archive_url => 'file://$h->{dir}/$source/out_slices/', format => " . format_literal($writer) . ')') foreach (@{ $h->{slices} });
		note("  $source: " . format_literal($writer));
	}
	srand($h->{seed} + 1_000_000);
	return;
}

=pod

=item together($node, $seed, $slices)

One whole history, and tests that the tables are what the oracle says: as it was left, and after all that changes what is there already; at last a user is forgotten,
and all is made anew from archives.  With so many slices, if that is given: databases beside it, which do what it does, and of which all together must have what it has.

=back

=cut

sub together
{
	my ($node, $seed, $slices) = @_;
	my $h = { node => $node, seed => $seed, dir => slm_directory($node, "together_$seed"), there => {}, did => [], files => 0, version => 0, n => $slices, slices => [] };

	die 'needs an extension that was built with COPT=-DUSE_ASSERT_CHECKING' if !can_make_chunks_small($node);
	srand($seed);
	note("seed $seed");
	draw_database($h);
	change_rates($h);
	step($h, 'add_dimension') foreach (1 .. irandom(3));
	step($h, 'visits') if chance(0.5);
	my @files = map { draw_file($h, pick(sort keys %{ $h->{writer} })) } 1 .. 25 + irandom(20);
	my $late = pick(0, 0.2, 1);
	my %when = map { ($files[$_]{key} => chance($late) ? rand @files : $_) } 0 .. $#files;
	$h->{waiting} = [ sort { $when{ $a->{key} } <=> $when{ $b->{key} } } @files ];
	while (@{ $h->{waiting} })
	{
		step($h, $_) foreach ('put', map { pick(@STEPS) } 1 .. 1 + irandom(4));
	}
	put($h, newest($h));
	agrees($h, 'as it was left') or return;
	step($h, $_) foreach (qw(rollup archive rates have_back add_dimension visits), (map { pick(@STEPS) } 1 .. 3), qw(replace take_out prune rollup));
	agrees($h, 'changed') or return;
	step($h, $_) foreach (qw(archive relabel replace take_out kill archive));
	agrees($h, 'changed again') or return;
	# a file that all of them read is changed by none
	return if $slices;
	sql($h, 'CALL sellometer_forget_user(3)');
	push @{ $h->{did} }, 'forget user 3';
	agrees($h, 'a user is forgotten', carts => 1) or return;
	sql($h, "SELECT sellometer_replay(NULL, '-infinity', 'infinity')");
	agrees($h, 'made anew', carts => 1) or return;
	# sessions of who was forgotten stay counted
	step($h, $_) foreach (qw(replace take_out));
	agrees($h, 'changed once more', carts => 1, visits => 1);
	return;
}

1;
