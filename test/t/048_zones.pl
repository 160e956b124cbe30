# What carts, stock, series and detectors say is the same in every time zone, on days when clocks change too.
use strict;
use warnings FATAL => 'all';

use POSIX qw(strftime);
use SlmTest;
use Test::More;
use Time::Local qw(timegm);

# Lengths that are whole days, which is how SHOW tells them: of these, days of a session would be an hour longer or shorter.
my $node = slm_node('zones', conf => <<'CONF');
fsync = off
sellometer.database = ''
sellometer.cart_timeout = '1d'
sellometer.cart_retention = '3d'
sellometer.price_adopt = '2d'
sellometer.price_window = '1d'
sellometer.price_min_sales = 5
sellometer.shift_window = '1d'
sellometer.shift_min_sales = 5
sellometer.shift_min_events = 5
sellometer.shift_min_products = 1
sellometer.view_window = '1d'
sellometer.offer_retention = '8d'
sellometer.sales_window = '2d'
sellometer.volume_lateness = '1h'
sellometer.live_lateness = '1d'
sellometer.timezone = 'UTC'
CONF
my $dir = slm_directory($node, 'in');
my $zone;

sub sql
{
	local $ENV{PGTZ} = $zone // 'UTC';
	return $node->safe_psql('shop', $_[0]);
}

# Each says something that differs if a bound is an hour off.  Times as seconds: as text they have the zone in them.
my %ASKED = (
	'cart states' => q{SELECT state, count(*) FROM sellometer.cart_states GROUP BY 1 ORDER BY 1},
	'what is left in carts' => q{SELECT count(*), extract(epoch FROM min(since)) FROM sellometer.left_in_cart},
	'reminders' => q{BEGIN; SELECT count(*), extract(epoch FROM min(since)) FROM public.sellometer_remind(1000, '1 day'); ROLLBACK},
	'series' => q{SELECT count(*), sum(count) FILTER (WHERE is_final), sum(count), extract(epoch FROM min(event_time))
		FROM public.sellometer_series('product_id', 'purchase', '1', NULL, NULL, '1 hour')},
	'stock' => q{BEGIN; SELECT sellometer.judge_inventory('{1}', head) FROM sellometer.state;
		SELECT sold, hourly, extract(epoch FROM cover), low FROM sellometer.inventory_cover; ROLLBACK},
	'sales that folding keeps' => q{BEGIN; DELETE FROM sellometer.recent_sales;
		INSERT INTO sellometer.offer_log (day, product_id, event_type, count, first_seen, last_seen, price, category, brand)
			SELECT (t AT TIME ZONE 'UTC')::date, 1, 'purchase', 1, t, t, 5, '', '' FROM sellometer.state, generate_series(1, 200) i,
				LATERAL (SELECT head - i * interval '30 minutes' AS t) x;
		SELECT sellometer.fold_offers() > 0; SELECT count(*) FROM sellometer.recent_sales; ROLLBACK},
	map { ("detector $_" => qq{BEGIN; SELECT sellometer.fold_offers() >= 0;
		SELECT d.severity, d.dimension, d.key, extract(epoch FROM d.event_time), d.observed, d.expected, d.score, d.detail
		FROM sellometer.state s, sellometer.detect_$_(s.head) d ORDER BY 1, 2, 3, 4; ROLLBACK}) }
		qw(price_anomaly volume_anomaly category_shift left_in_cart));

sql("SELECT sellometer_add_source('shop', 'file://$dir/');
	INSERT INTO sellometer.inventory (product_id, stock, as_of, lead_time) VALUES (1, 500, '2019-10-01 00:00+00', '3 days')");

# When the clocks of Berlin and of New York change, in autumn and in spring.
my @CHANGES = ([ 2019, 10, 27, 1 ], [ 2019, 11, 3, 6 ], [ 2020, 3, 8, 7 ], [ 2020, 3, 29, 1 ]);
foreach my $change (@CHANGES)
{
	my ($year, $month, $day, $hour) = @$change;
	my $head = timegm(0, 0, $hour, $day, $month - 1, $year) + 10 * 3600;
	my $date = strftime('%F', gmtime($head));
	my @events;

	# two sales and a cart each half hour of six days; at the end a product is cheap, as it was just before what is adopted
	foreach my $n (0 .. 288)
	{
		my $time = strftime('%F %T', gmtime($head - $n * 1800));
		my $price = $n < 4 || ($n > 94 && $n < 99) ? '5.00' : '10.00';

		push @events, event(event_time => $time, event_type => 'purchase', product_id => 1, price => $price, user_session => "p-$date-$n"),
			event(event_time => $time, event_type => 'purchase', product_id => 2, price => '7.00', user_session => "q-$date-$n"),
			event(event_time => $time, event_type => 'cart', product_id => 3, price => '3.00', user_session => "c-$date-$n");
	}
	write_object($dir, "$date.csv", csv(@events));
	sql('CALL sellometer_ingest()');
	is(sql("SELECT state FROM sellometer.objects WHERE key LIKE '%$date.csv'"), 'done', "$date is loaded");
	sql("UPDATE sellometer.state SET head = to_timestamp($head)");
	foreach my $what (sort keys %ASKED)
	{
		my %said = map { $zone = $_; $zone => sql($ASKED{$what}) } ('UTC', 'Europe/Berlin', 'America/New_York');

		$zone = undef;
		isnt($said{UTC}, '', "$date: $what: something is said") if $what !~ /^detector/;
		is($said{$_}, $said{UTC}, "$date: $what in $_") foreach ('Europe/Berlin', 'America/New_York');
	}
}
is(sql(q{SELECT DISTINCT i FROM sellometer.setting_length('sellometer.cart_retention') i}), '72:00:00', 'a length is one of hours');

$node->stop;
done_testing();
