# Files in the shapes of public data sets and tools, with their columns and spellings (and made-up rows): what sellometer_sniff() proposes
# loads them, and what is counted is what SQL of each shape's own makes of the same file.  Then they are archived, replayed from the
# archives and from the files, taken out, and replaced: the same.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use SlmTest;
use Test::More;

my $node = slm_node('formats', conf => "fsync = off\nsellometer.database = 'postgres'\n");
my $seed = $ENV{SLM_SEED} // 25;
note("seed $seed");
srand($seed);

sub value
{
	my ($sql) = @_;

	return $node->safe_psql('shop', $sql);
}

sub failure
{
	my ($sql) = @_;
	my $err;

	$node->psql('shop', $sql, stderr => \$err);
	return $err;
}

# --- rows ---

my @PRODUCTS = map { +{ id => 1000 + $_ * 7, price => sprintf('%d.%02d', 1 + $_ * 3, ($_ * 37) % 100), brand => ('acme', 'Ørsted', 'b, c', 'say "x"')[$_ % 4],
		category => ('toys', 'garden.tools', 'books.kids.picture')[$_ % 3] } } 1 .. 12;

my $orders = 0;

# Events of two hours, in the order of time; each is about a product, and of an order of its own.
sub events
{
	my ($begin, $n, @types) = @_;
	my $time = $begin;

	return map {
		my $product = $PRODUCTS[rand @PRODUCTS];
		my $visitor = 1 + int(rand 6);

		$time += int(rand 60);
		+{ %$product, time => $time, type => $types[rand @types], visitor => $visitor, session => $visitor * 10 + int(($time - $begin) / 3600), n => 1 + int(rand 3), order => ++$orders }
	} 1 .. $n;
}

# Some of them once more at the end, as whoever sends at least once does; a second later, which is not when it was.
sub again
{
	my @events = @_;

	return (@events, map { +{ %$_, time => $_->{time} + 1 } } grep { rand() < 0.2 } @events);
}

# UTC, written as strftime does.
sub utc
{
	my ($format, $time) = @_;

	require POSIX;
	return POSIX::strftime($format, gmtime($time));
}

sub lines
{
	my ($separator, @rows) = @_;

	return join('', map { join($separator, map { /["\r\n\Q$separator\E]/ ? '"' . s/"/""/gr . '"' : $_ } @$_) . "\n" } @rows);
}

my @TYPES = qw(view view view cart purchase);

# --- shapes: how a file is written; how SQL reads it; what each event is there ---

# In raw: event_time, event_type, product_id, category_id, category_code, brand, price, user_id, user_session, as text.
my %SHAPES = (
	'RetailRocket' => {
		write => sub {
			my %name = (view => 'view', cart => 'addtocart', purchase => 'transaction');
			return lines(',', [qw(timestamp visitorid event itemid transactionid)],
				map { [ $_->{time} * 1000 + $_->{n}, $_->{visitor}, $name{ $_->{type} }, $_->{id}, $_->{type} eq 'purchase' ? $_->{order} : '' ] } again(events(1433221332, 200, @TYPES)));
		},
		columns => 'ts bigint, visitor text, event text, item text, tx text',
		raw => q{to_timestamp(ts / 1000.0), CASE event WHEN 'addtocart' THEN 'cart' WHEN 'transaction' THEN 'purchase' ELSE event END, item, '', '', '', '0', visitor, visitor}, event_id => 'tx', sniffed_id => 'transactionid'
	},
	'YooChoose clicks' => {
		write => sub { lines(',', map { [ $_->{session}, utc('%Y-%m-%dT%H:%M:%S.277Z', $_->{time}), $_->{id}, $_->{visitor} ] } events(1396867869, 200, 'view')) },
		no_header => 1,
		columns => 'session text, ts timestamptz, item text, category text',
		raw => q{ts, 'view', item, '', category, '', '0', '', session}
	},
	'YooChoose buys' => {
		write => sub { lines(',', map { [ $_->{session}, utc('%Y-%m-%dT%H:%M:%S.840Z', $_->{time}), $_->{id}, $_->{id} * 3, $_->{n} ] } events(1396867869, 120, 'purchase')) },
		no_header => 1,
		columns => 'session text, ts timestamptz, item text, price text, quantity text',
		raw => q{ts, 'purchase', item, '', '', '', price, '', session}, quantity => 'quantity'
	},
	'Instacart-like order lines' => {
		write => sub {
			return lines(',', [qw(order_id user_id order_time product_id product_name aisle_id department_id department unit_price quantity)],
				map { [ $_->{session}, $_->{visitor}, utc('%Y-%m-%d %H:%M', $_->{time}), $_->{id}, "Bag of $_->{brand}", 24, 4, $_->{category}, $_->{price}, $_->{n} ] } events(1569916800, 150, 'purchase'));
		},
		columns => 'order_id text, user_id text, ts text, product text, name text, aisle text, department_id text, department text, price text, quantity text',
		raw => q{(ts || 'Z')::timestamptz, 'purchase', product, department_id, department, '', price, user_id, user_id}, quantity => 'quantity'
	},
	'GA4 export' => {
		write => sub {
			my %name = (view => 'view_item', cart => 'add_to_cart', purchase => 'purchase', other => 'page_view', start => 'session_start');
			return lines(',', [qw(event_date event_timestamp event_name user_pseudo_id ga_session_id item_id item_name item_brand item_category price quantity)],
				map { my $none = $_->{type} =~ /other|start/;
					[ utc('%Y%m%d', $_->{time}), $_->{time} * 1000000 + 1, $name{ $_->{type} }, "$_->{visitor}0.$_->{visitor}", $_->{session}, $none ? ('') x 6 : ($_->{id}, "The $_->{id}", $_->{brand}, $_->{category}, $_->{price}, $_->{n}) ] }
				  events(1606780800, 250, @TYPES, 'other', 'start'));
		},
		columns => 'day text, ts bigint, event text, visitor text, session text, item text, name text, brand text, category text, price text, quantity text',
		raw => q{timestamptz 'epoch' + ts * interval '1 microsecond', CASE event WHEN 'view_item' THEN 'view' WHEN 'add_to_cart' THEN 'cart' ELSE event END, item, '', category, brand, price, '', visitor || '-' || session},
		where => q{event IN ('view_item', 'add_to_cart', 'purchase')}, quantity => 'quantity'
	},
	'Shopify orders' => {
		write => sub {
			return lines(',', [ 'Name', 'Email', 'Financial Status', 'Paid at', 'Currency', 'Created at', 'Lineitem quantity', 'Lineitem name', 'Lineitem price', 'Lineitem sku', 'Vendor' ],
				map { [ "#$_->{order}", "a$_->{visitor}\@example.com", 'paid', '', 'EUR', utc('%Y-%m-%d %H:%M:%S', $_->{time} - 4 * 3600) . ' -0400', $_->{n}, "A \"big\"\n$_->{id}", $_->{price}, $_->{id}, $_->{brand} ] }
				  events(1569916800, 150, 'purchase'));
		},
		own => 'EUR',
		columns => 'name text, email text, status text, paid text, currency text, ts timestamptz, quantity text, title text, price text, sku text, vendor text',
		raw => q{ts, 'purchase', sku, '', '', vendor, price, '', ''}, quantity => 'quantity', event_id => 'name', sniffed_id => 'Name'
	},
	'Segment' => {
		write => sub {
			my %name = (view => 'Product Viewed', cart => 'Product Added', purchase => 'Order Completed', remove => 'Product Removed', other => 'Signed Up');
			return lines(',', [qw(messageId type anonymousId userId event originalTimestamp timestamp context.ip properties.product_id properties.category properties.brand properties.price properties.quantity)],
				map { [ "ajs-$_->{order}", 'track', sprintf('%08x-anon', $_->{visitor}), '', $name{ $_->{type} }, utc('%Y-%m-%dT%H:%M:%S.000Z', $_->{time} - 5), utc('%Y-%m-%dT%H:%M:%S.123Z', $_->{time}), '10.0.0.1', $_->{id}, $_->{category}, $_->{brand}, $_->{price}, $_->{n} ] }
				  again(events(1569916800, 250, @TYPES, 'remove', 'other')));
		},
		columns => 'message text, type text, anonymous text, usr text, event text, original timestamptz, ts timestamptz, ip text, product text, category text, brand text, price text, quantity text',
		raw => q{ts, CASE event WHEN 'Product Viewed' THEN 'view' WHEN 'Product Added' THEN 'cart' WHEN 'Product Removed' THEN 'remove_from_cart' ELSE 'purchase' END, product, '', category, brand, price, '', anonymous},
		where => q{event <> 'Signed Up'}, quantity => 'quantity', event_id => 'message', sniffed_id => 'messageId'
	},
	'Segment, a table of its own' => {
		write => sub {
			my %name = (view => 'Product Viewed', cart => 'Product Added', purchase => 'Order Completed', remove => 'Product Removed', other => 'Signed Up');
			return lines(',', [qw(id received_at event user_id anonymous_id product_id category_id brand price quantity)],
				map { [ "r$_->{order}", utc('%Y-%m-%dT%H:%M:%S.123Z', $_->{time}), $name{ $_->{type} }, $_->{visitor} % 3 ? '' : "u-$_->{visitor}", sprintf('%08x-anon', $_->{visitor}), $_->{id}, $_->{category}, $_->{brand}, $_->{price}, $_->{n} ] }
				  events(1569916800, 250, @TYPES, 'remove', 'other'));
		},
		columns => 'id text, ts timestamptz, event text, usr text, anonymous text, product text, category text, brand text, price text, quantity text',
		raw => q{ts, CASE event WHEN 'Product Viewed' THEN 'view' WHEN 'Product Added' THEN 'cart' WHEN 'Product Removed' THEN 'remove_from_cart' ELSE 'purchase' END, product, '', category, brand, price, '', anonymous},
		where => q{event <> 'Signed Up'}, quantity => 'quantity'
	},
	'times and events in columns of names that nobody knows' => {
		write => sub {
			return lines(';', [qw(zeit ereignis product_id category_code brand price user_session)],
				map { [ utc('%d.%m.%Y %H:%M:%S', $_->{time}), $_->{type}, $_->{id}, $_->{category}, $_->{brand}, $_->{price} =~ s/[.]/,/r, $_->{session} ] } events(1572480000, 250, @TYPES));
		},
		columns => 'ts text, type text, product text, category text, brand text, price text, session text', copy => q{DELIMITER ';'},
		raw => q{to_timestamp(ts, 'DD.MM.YYYY HH24:MI:SS'), type, product, '', category, brand, replace(price, ',', '.'), '', session}
	},
	'Snowplow' => {
		write => sub {
			my %name = (view => 'product_view', cart => 'add_to_cart', purchase => 'transaction', other => 'link_click');
			return lines("\t", [qw(app_id platform collector_tstamp derived_tstamp event event_name domain_userid domain_sessionid product_id category brand price)],
				map { [ 'shop', 'web', utc('%Y-%m-%d %H:%M:%S.001', $_->{time} + 2), utc('%Y-%m-%d %H:%M:%S.500', $_->{time}), 'unstruct', $name{ $_->{type} }, "u$_->{visitor}", "s-$_->{session}", $_->{id}, $_->{category}, $_->{brand}, $_->{price} ] }
				  events(1569916800, 250, @TYPES, 'other'));
		},
		copy => q{DELIMITER E'\t'},
		columns => 'app text, platform text, collected text, ts text, event text, name text, usr text, session text, product text, category text, brand text, price text',
		raw => q{(ts || 'Z')::timestamptz, CASE name WHEN 'product_view' THEN 'view' WHEN 'add_to_cart' THEN 'cart' ELSE 'purchase' END, product, '', category, brand, price, '', session},
		where => q{name <> 'link_click'}
	},
	'REES46' => {
		write => sub {
			return lines(',', [qw(event_time event_type product_id category_id category_code brand price user_id user_session)],
				map { [ utc('%Y-%m-%d %H:%M:%S UTC', $_->{time}), $_->{type}, $_->{id}, 7, $_->{category}, $_->{brand}, $_->{price}, $_->{visitor}, $_->{session} ] } events(1569916800, 250, @TYPES));
		},
		columns => 'ts timestamptz, type text, product text, category_id text, category text, brand text, price text, usr text, session text',
		raw => q{ts, type, product, category_id, category, brand, price, usr, session}
	},
	'a spreadsheet of Berlin' => {
		# 27 October 2019, about the hour that comes twice, of which the second counts
		write => sub {
			my ($n, $begin) = @_;
			my $csv = lines(';', [ 'Datum', 'Event', 'Artikel', 'Preis', 'Session', 'Brand' ],
				map { my $at = $_->{time}; [ utc('%-d.%-m.%Y %H:%M:%S', $at), $_->{type}, $_->{id}, ($_->{price} =~ /,/ ? $_->{price} : $_->{price} =~ s/\./,/r), $_->{session}, $_->{brand} =~ s/Ø/\xd8/r ] }
				  events($begin // 1572139800, 200, @TYPES), { time => $begin // 1572139800, type => 'purchase', id => 77, price => '1.234.567,50', session => 5, brand => "\x80" });
			return $csv;
		},
		format => q({"columns": {"event_time": "datum", "event_type": "Event", "product_id": "Artikel", "price": "preis", "user_session": "Session"},
			"delimiter": ";", "encoding": "cp1252", "time": "dmy", "time_zone": "Europe/Berlin", "decimal": ",", "thousands": "."}),
		copy => q{DELIMITER ';', ENCODING 'WIN1252'},
		columns => 'ts text, type text, product text, price text, session text, brand text',
		raw => q{to_timestamp(ts, 'DD.MM.YYYY HH24:MI:SS')::timestamp AT TIME ZONE 'Europe/Berlin', type, product, '', '', brand, replace(replace(price, '.', ''), ',', '.'), '', session}
	},
	'a till, in cents' => {
		write => sub {
			return "\xff\xfe" . join('', map { pack('v', ord) } split(//, lines('|', [qw(when what sku amount)],
				map { [ utc('%m/%d/%Y %I:%M %p', $_->{time}), 'SALE', $_->{id}, $_->{price} =~ s/\.//r ] } events(1569916800, 100, 'purchase'))));
		},
		format => q({"columns": {"event_time": 1, "event_type": 2, "product_id": 3, "price": 4}, "events": {"sale": "purchase"}, "delimiter": "|", "time": "mdy", "minor_units": 2}),
		staged => sub { join('', map { chr } grep { $_ != 0xfeff } unpack('v*', $_[0])) },
		copy => q{DELIMITER '|'},
		columns => 'ts text, what text, sku text, amount bigint',
		raw => q{to_timestamp(ts || ' +00', 'MM/DD/YYYY HH12:MI AM TZH'), 'purchase', sku, '', '', '', round(amount / 100.0, 2)::text, '', ''}
	});

# ... and 31 March, about the hour that is left out.
$SHAPES{'a spreadsheet of Berlin in spring'} = { %{ $SHAPES{'a spreadsheet of Berlin'} },
	write => sub { $SHAPES{'a spreadsheet of Berlin'}{write}->($_[0], 1553995800) } };

# --- the oracle ---

my $oracle = slurp_file(slm_root() . '/test/oracle/oracle.sql');

sub tell_oracle
{
	my ($shape, $key, $content) = @_;
	my $path = $node->basedir . '/staged';
	my $no_header = $shape->{no_header} // 0;
	my $options = join(', ', 'FORMAT csv', $no_header ? () : 'HEADER', $shape->{copy} // ());

	write_file($path, $shape->{staged} ? $shape->{staged}->($content) : $content);
	$options .= q{, ENCODING 'UTF8'} if $options !~ /ENCODING/;
	value(qq{
		SET timezone = 'UTC';
		DROP TABLE IF EXISTS staged;
		CREATE TABLE staged ($shape->{columns}, line bigint GENERATED ALWAYS AS IDENTITY);
		COPY staged (} . join(', ', map { (split)[0] } split(/, /, $shape->{columns})) . qq{) FROM '$path' ($options);
		INSERT INTO oracle.raw (object, line, flaw, event_time, event_type, product_id, category_id, category_code, brand, price, user_id, user_session, quantity, event_id)
		SELECT '$key', line, '', to_char(t.a AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), b, c, coalesce(d, ''), coalesce(e, ''), coalesce(f, ''), g, coalesce(h, ''), coalesce(i, ''), coalesce(j, ''), coalesce(k, '')
		FROM (SELECT line, } . $shape->{raw} . ', ' . ($shape->{quantity} // "''") . ', ' . ($shape->{event_id} // "''") . qq{ FROM staged WHERE } . ($shape->{where} // 'true') . qq{) t (line, a, b, c, d, e, f, g, h, i, j, k);
		INSERT INTO oracle.object (object) VALUES ('$key') ON CONFLICT DO NOTHING});
	return;
}

sub agrees
{
	my ($name) = @_;

	value('SELECT oracle.build()');
	oracle_agrees($node, 'minute', $name);
	is(value(q{SELECT * FROM oracle.diff('hour', '-infinity', (SELECT watermark FROM sellometer.tiers WHERE name = 'hour')) LIMIT 10}), '', "$name: hours agree");
	carts_agree($node, $name);
	return;
}

# --- each shape ---

sub fresh
{
	value(q{SET client_min_messages = warning; DROP EXTENSION sellometer CASCADE; CREATE EXTENSION sellometer;
		ALTER TABLE sellometer.sources ALTER same_content SET DEFAULT 'count'});
	value($oracle);
	return;
}

# Hours end when there is something behind them, here of a source without a format.
sub later_object
{
	my ($dir) = @_;
	my $time = value(q{SELECT to_char((max(last_event) + interval '5 hours') AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') FROM sellometer.objects});

	mkdir "$dir.later";
	write_object("$dir.later", 'later.csv', csv(event(event_time => $time, event_type => 'purchase')));
	value("SELECT sellometer_add_source('later', 'file://$dir.later/'); CALL sellometer_ingest('later')");
	value(qq{INSERT INTO oracle.raw (object, line, flaw, event_time, event_type, product_id, category_id, category_code, brand, price, user_id, user_session)
		VALUES ('later.csv', 2, '', '$time', 'purchase', '1', '100', 'electronics.smartphone', 'acme', '1.00', '1', '');
		INSERT INTO oracle.object (object) VALUES ('later.csv')});
	return;
}

foreach my $name (sort keys %SHAPES)
{
	my $shape = $SHAPES{$name};
	my $dir = slm_directory($node, lc($name) =~ s/[^a-z0-9]+/-/gr);
	my @contents = map { $shape->{write}->($_) } 0, 1;

	fresh();
	value(defined $shape->{own} ? "ALTER DATABASE shop SET sellometer.currency = '$shape->{own}'" : 'ALTER DATABASE shop RESET sellometer.currency');
	mkdir "$dir.archive";
	write_object($dir, 'a.csv', $contents[0]);
	my $call = value("SELECT value FROM sellometer_sniff('file://$dir/a.csv') WHERE item = 'call'");
	if (defined $shape->{format})
	{
		$call = "SELECT sellometer_add_source('shop', 'file://$dir/', format => \$\$$shape->{format}\$\$)";
	}
	else
	{
		is(value("SELECT count(*) FROM sellometer_sniff('file://$dir/a.csv') WHERE sure = 'no'"), '0', "$name: sniff is sure enough") or diag(value("SELECT * FROM sellometer_sniff('file://$dir/a.csv')"));
	}
	is(value("SELECT value FROM sellometer_sniff('file://$dir/a.csv') WHERE item = 'event_id'"), $shape->{sniffed_id} // '', "$name: which column is an id");
	is(value("SELECT detail FROM sellometer_sniff('file://$dir/a.csv') WHERE item = 'currency'") =~ s/:.*//r, defined $shape->{own} ? "\"$shape->{own}\"" : '', "$name: what prices are in");
	note($call);
	value($call);
	value("SELECT sellometer_alter_source('shop', archive_url => 'file://$dir.archive/')");
	write_object($dir, 'b.csv', $contents[1]);
	value(q{SET sellometer.live_lateness = '1 d'; CALL sellometer_ingest(); CALL sellometer_merge_backlog()});
	is(value(q{SELECT string_agg(format('%s %s %s', state, rows_rejected, error), ' ' ORDER BY key) FROM sellometer.objects}), 'done 0  done 0 ', "$name: both files are loaded");
	tell_oracle($shape, 'a.csv', $contents[0]);
	tell_oracle($shape, 'b.csv', $contents[1]);
	agrees($name);
	is(value('SELECT sum(rows_total) = (SELECT count(*) FROM oracle.raw) FROM sellometer.objects'), 't', "$name: as many rows");

	# from the files, then from the archives
	value("SELECT sellometer_replay('shop', '-infinity', 'infinity')");
	agrees("$name, replayed from the files");
	later_object($dir);
	value('SET client_min_messages = warning; CALL sellometer_rollup(); CALL sellometer_archive()');
	is(value(q{SELECT string_agg(DISTINCT state || ' ' || coalesce(error, ''), ',') FROM sellometer.objects WHERE source = 'shop'}), 'archived ', "$name: all is archived");
	# the archives need no format
	value("SELECT sellometer_set_format('shop', NULL)");
	value("SELECT sellometer_replay('shop', '-infinity', 'infinity')");
	agrees("$name, replayed from archives");
	is(value(q{SELECT string_agg(name || ': ' || detail, '; ') FROM sellometer_check() WHERE NOT ok AND name !~ '^(job |objects of|expired rows|arrivals|sources|procedure |loading|locks)' AND name NOT IN ('pg_cron', 'worker', 'failed objects')}),
		'', "$name: sellometer_check() finds nothing");
	# taken out, and the other content of the same key loaded
	value("SELECT sellometer_unload('shop', 'a.csv')");
	value(q{DELETE FROM oracle.raw WHERE object = 'a.csv'; DELETE FROM oracle.object WHERE object = 'a.csv'});
	agrees("$name, one file taken out");
}

# what the reader can't read is not told as certain
fresh();
my $prices = slm_directory($node, 'prices');
foreach my $price ('$18.99', '18.99 USD', "12,50 \xe2\x82\xac", 'on request')
{
	write_object($prices, 'a.csv', "event_time,event_type,product_id,price\n" . join('', map { "2019-10-01 00:00:0$_,view,1,\"$price\"\n" } 1 .. 5));
	is(value("SELECT sure || (detail LIKE '%rejected%') FROM sellometer_sniff('file://$prices/a.csv') WHERE item = 'price'"), 'notrue', "a price that can't be read: $price");
}

done_testing();
