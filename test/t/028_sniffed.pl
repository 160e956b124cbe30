# More shapes that tools and public data sets have, as sellometer_sniff() sees them: what it proposes loads them, and counts and GMV are what the rows
# come to.  028_formats has the whole way of some of them, to archives and back.
use strict;
use warnings FATAL => 'all';

use POSIX qw(strftime);
use SlmTest;
use Test::More;

my $node = slm_node('sniffed', conf => "fsync = off\nsellometer.database = 'postgres'\nsellometer.live_lateness = '1d'\n");
my $BEGIN = 1709629200;

sub value { return $node->safe_psql('shop', $_[0]); }

sub utc { my ($format, $time) = @_; return strftime($format, gmtime($time)); }

sub lines
{
	my ($separator, @rows) = @_;

	return join('', map { join($separator, map { /["\r\n\Q$separator\E]/ ? '"' . s/"/""/gr . '"' : $_ } @$_) . "\n" } @rows);
}

my @PRODUCTS = map { +{ id => 40 + $_, sku => "SKU-$_", name => "Thing $_, nice", brand => ('Acme', "\xc3\x98rsted")[$_ % 2], cents => 300 + 237 * $_ } } 0 .. 7;

# So many events of types in turn, each of another visitor; undef: of none that counts.
sub events
{
	my ($n, @types) = @_;

	return map { my $product = $PRODUCTS[$_ % 8];
		+{ %$product, i => $_, time => $BEGIN + 37 * $_, type => $types[$_ % @types], n => 1 + $_ % 3, price => sprintf('%d.%02d', $product->{cents} / 100, $product->{cents} % 100),
			row => sprintf('%.2f', (1 + $_ % 3) * $product->{cents} / 100) } } 0 .. $n - 1;
}

# What they come to: by type, pieces and GMV.  pieces: rows have such; views are one each.
sub sums
{
	my ($pieces, @events) = @_;
	my %sum;

	foreach (@events)
	{
		my $n = $pieces && $_->{type} ne 'view' ? $_->{n} : 1;

		$sum{ $_->{type} }[0] += $n;
		$sum{ $_->{type} }[1] += $n * $_->{cents};
	}
	return join(' ', map { sprintf('%s %d %d.%02d', $_, $sum{$_}[0], $sum{$_}[1] / 100, $sum{$_}[1] % 100) } sort keys %sum);
}

my %SHAPES;

# An export of Shopify's: what is of the order stands in the first of its lines alone, its currency too, which is not the shop's here.
{
	my @header = ('Name', 'Email', 'Financial Status', 'Paid at', 'Currency', 'Subtotal', 'Total', 'Created at', 'Lineitem quantity', 'Lineitem name', 'Lineitem price', 'Lineitem sku', 'Billing Name', 'Vendor', 'Id');
	my @events = events(60, 'purchase');
	my @rows = map { my $first = $_->{i} % 3 == 0; [ '#' . (1001 + int($_->{i} / 3)), 'a@example.com', $first ? ('paid', utc('%F %T -0500', $_->{time}), 'USD', '9.00', '9.00') : ('') x 5,
		utc('%F %T -0500', $_->{time}), $_->{n}, $_->{name}, $_->{price}, $_->{sku}, $first ? 'A. B.' : '', $_->{brand}, $first ? 5500000000 + $_->{i} : '' ] } @events;

	$SHAPES{'Shopify, further lines of orders'} = { content => lines(',', \@header, @rows), sums => sums(1, map { +{ %$_, cents => 2 * $_->{cents} } } @events), own => 'EUR', rates => "('USD', '2000-01-01', 2)",
		seen => { currency => 'guess', event_id => 'guess', product_name => 'likely' } };
}

# GA4: nested columns with underscores; a device has a category too; whole pages are no views of products.
{
	my %name = (view => 'view_item', cart => 'add_to_cart', purchase => 'purchase', remove_from_cart => 'remove_from_cart', page => 'page_view');
	my @events = events(100, 'view', 'page', 'cart', 'purchase', 'remove_from_cart');

	foreach my $separator ('_', '.')
	{
		my @header = map { s/\./$separator/r } qw(event_date event_timestamp event_name user_pseudo_id device.category ga_session_id items.item_id items.item_name items.item_brand items.item_category items.price items.quantity items.item_revenue);

		$SHAPES{"GA4, nested columns with $separator"} = { content => lines(',', \@header, map { [ utc('%Y%m%d', $_->{time}), $_->{time} * 1000000, $name{ $_->{type} }, "1$_->{i}.2", 'mobile', $_->{time},
				$_->{type} eq 'page' ? ('') x 7 : ($_->{sku}, $_->{name}, $_->{brand}, 'Home', $_->{price}, $_->{n}, $_->{row}) ] } @events),
			sums => sums(1, grep { $_->{type} ne 'page' } @events), seen => { product_id => 'likely', category_code => 'likely' }, category => 'home' };
	}
}

# Snowplow's enriched events: no header, 131 columns; only lines of transactions have a product.
{
	my @events = events(90, 'purchase', 'other', 'whole');

	$SHAPES{'Snowplow, enriched'} = { content => join('', map {
			my $time = $_->{time};
			my @row = ('') x 131;
			my %name = (purchase => 'transaction_item', other => 'page_view', whole => 'transaction');

			@row[ 0, 1, 2, 3, 4, 5, 6, 13, 15, 77 ] = ('shop', 'web', (map { utc('%F %T.123', $time + $_) } 9000, 2, 0), $name{ $_->{type} }, sprintf('%08x-0000-4000-8000-000000000000', $_->{i}), '10.0.0.1', "u$_->{i}", 'Mozilla "5"');
			@row[ 68 .. 72, 112 ] = ($_->{sku}, $_->{name}, 'Home', $_->{price}, $_->{n}, 'EUR') if $_->{type} eq 'purchase';
			@row[ 123, 124, 126 ] = ("s$_->{i}", utc('%F %T.500', $_->{time}), $name{ $_->{type} });
			join("\t", @row) . "\n" } @events),
		sums => sums(1, grep { $_->{type} eq 'purchase' } @events), own => 'EUR', seen => { event_time => 'certain', product_id => 'likely' } };
}

# Without a header and with the time last: who, what, what kind, which event, when.
{
	my %name = (view => 'pv', cart => 'cart', purchase => 'buy', other => 'fav');
	my @events = map { +{ %$_, cents => 0 } } events(120, 'view', 'other', 'cart', 'purchase');

	$SHAPES{'UserBehavior'} = { content => lines(',', map { [ 1 + $_->{i}, 2268318 + $_->{id}, 2520377, $name{ $_->{type} }, $_->{time} ] } @events), sums => sums(0, grep { $_->{type} ne 'other' } @events), seen => { event_type => 'likely' } };
}

# Segment and RudderStack: both an id and a text of the product, its name in a column that is just called so.
{
	my %name = (view => 'product_viewed', cart => 'product_added', purchase => 'order_completed', remove_from_cart => 'product_removed', other => 'checkout_started');
	my @events = events(100, 'view', 'other', 'cart', 'purchase', 'remove_from_cart');
	my @rows = map { [ "m$_->{i}", "anon-$_->{i}", utc('%F %T.123+00', $_->{time}), $name{ $_->{type} }, $name{ $_->{type} } =~ s/_/ /r, $_->{type} eq 'other' ? ('') x 7 : ($_->{id}, $_->{sku}, $_->{name}, $_->{brand}, 'Home', $_->{price}, $_->{n}) ] } @events;

	foreach my $prefix ('', 'properties_', 'properties.')
	{
		$SHAPES{"RudderStack, '$prefix'"} = { content => lines(',', [ qw(message_id anonymous_id original_timestamp event event_text), map { $prefix . $_ } qw(product_id sku name brand category price quantity) ], @rows),
			sums => sums(1, grep { $_->{type} ne 'other' } @events), seen => { product_name => 'guess', event_id => 'likely' } };
	}
}

# A name that is not the product's.
{
	my @events = events(60, 'purchase');

	$SHAPES{'names of persons'} = { content => lines(',', [qw(order_id date name sku qty price)], map { [ $_->{i}, utc('%F', $_->{time}), "Person $_->{i}", $_->{sku}, $_->{n}, $_->{price} ] } @events), sums => sums(1, @events), seen => { product_name => '' } };
}

# Shops' own exports: words of each.
{
	my @events = events(60, 'purchase');

	$SHAPES{'WooCommerce'} = { content => lines(',', [ 'Order Number', 'Order Status', 'Order Date', 'Item #', 'SKU', 'Item Name', 'Quantity (- Refund)', 'Item Cost', 'Order Total Amount' ],
		map { [ 500 + int($_->{i} / 2), 'Completed', utc('%F %H:%M', $_->{time}), 1 + $_->{i} % 2, $_->{sku}, $_->{name}, $_->{n}, $_->{price}, '99.10' ] } @events), sums => sums(1, @events), seen => { price => 'likely' } };
	$SHAPES{'Magento'} = { content => "\xef\xbb\xbf" . lines(',', [qw(item_id order_id parent_item_id created_at product_id product_type sku name qty_canceled qty_ordered price base_price row_total)],
		map { [ 1 + $_->{i}, 1 + int($_->{i} / 2), '', utc('%F %T', $_->{time}), $_->{id}, 'simple', $_->{sku}, $_->{name}, '0.0000', "$_->{n}.0000", "$_->{price}00", "$_->{price}00", "$_->{row}00" ] } @events), sums => sums(1, @events),
		seen => { quantity => 'likely' } };
	$SHAPES{'PrestaShop'} = { content => "\xef\xbb\xbf" . (lines(';', [qw(id_order_detail id_order product_id product_name product_quantity unit_price_tax_incl product_reference date_add), ''],
		map { [ 1 + $_->{i}, 1 + int($_->{i} / 2), $_->{id}, $_->{name}, $_->{n}, ($_->{price} =~ s/\./,/r) . '0000', $_->{sku}, utc('%F %T', $_->{time}), '' ] } @events) =~ s/\n/\r\n/gr), sums => sums(1, @events), seen => { quantity => 'likely', event_time => 'certain' } };
	$SHAPES{'Matomo'} = { content => lines(',', [qw(idsite idvisitor server_time idvisit idorder itemSKU itemName itemCategory price quantity deleted)],
		map { [ 1, "0f$_->{i}", utc('%F %T', $_->{time}), 100 + $_->{i}, "O$_->{i}", $_->{sku}, $_->{name}, 'Home', $_->{price}, $_->{n}, 0 ] } @events), sums => sums(1, @events), seen => { user_session => 'likely' } };
	# the price is of all pieces, so that no quantity may multiply it once more
	$SHAPES{'Amazon, all orders'} = { content => lines("\t", [qw(amazon-order-id purchase-date order-status product-name sku asin quantity currency item-price item-tax)],
		map { [ "111-$_->{i}", utc('%FT%T+00:00', $_->{time}), 'Shipped', "Th\xe9 $_->{id}", $_->{sku}, "B00$_->{id}", $_->{n}, 'EUR', $_->{row}, '0.50' ] } @events), own => 'EUR',
		sums => sums(0, map { +{ %$_, cents => $_->{n} * $_->{cents} } } @events), seen => { quantity => 'certain', encoding => 'guess' } };
	$SHAPES{'revenue of a line'} = { content => lines(',', [qw(order_id date sku qty revenue)], map { [ $_->{i}, utc('%F', $_->{time}), $_->{sku}, $_->{n}, $_->{row} ] } @events),
		sums => sums(0, map { +{ %$_, cents => $_->{n} * $_->{cents} } } @events), seen => { price => 'likely' } };
}

# Events' words in another column than the first that is called so, and most rows of no such event.
{
	my %name = (view => 'detail', cart => 'add', purchase => 'purchase', remove_from_cart => 'remove', other => '');
	my @events = map { +{ %$_, cents => 0 } } events(100, 'view', 'other', 'cart', 'purchase', 'remove_from_cart');

	$SHAPES{'Coveo'} = { content => lines(',', [qw(session_id_hash event_type product_action product_sku_hash server_timestamp_epoch_ms hashed_url)],
		map { [ "s$_->{i}", $_->{type} eq 'other' ? 'pageview' : 'event_product', $name{ $_->{type} }, $_->{type} eq 'other' ? '' : $_->{sku}, $_->{time} * 1000, 'x' ] } @events), sums => sums(0, grep { $_->{type} ne 'other' } @events),
		seen => { event_type => 'likely' } };
	my %klaviyo = (view => 'Viewed Product', cart => 'Added to Cart', purchase => 'Ordered Product', remove_from_cart => 'Removed from Cart', other => 'Placed Order');
	@events = events(100, 'view', 'other', 'cart', 'purchase', 'remove_from_cart');
	$SHAPES{'words of others'} = { content => lines(',', [ 'metric_time', 'event', 'distinct_id', '$insert_id', 'Product ID', 'Price' ],
		map { [ $_->{time}, $klaviyo{ $_->{type} }, "d$_->{i}", "i$_->{i}", $_->{sku}, $_->{price} ] } @events), sums => sums(0, grep { $_->{type} ne 'other' } @events), seen => { event_time => 'guess', event_id => 'likely' } };
}

my $dir = slm_directory($node, 'in');
foreach my $name (sort keys %SHAPES)
{
	my $shape = $SHAPES{$name};
	my $place = "$dir/" . (lc($name) =~ s/[^a-z0-9]+/-/gr);

	value('SET client_min_messages = warning; DROP EXTENSION sellometer CASCADE; CREATE EXTENSION sellometer; ALTER DATABASE shop ' . (defined $shape->{own} ? "SET sellometer.currency = '$shape->{own}'" : 'RESET sellometer.currency'));
	value("INSERT INTO sellometer.currency_rates (currency, from_time, rate) VALUES $shape->{rates}") if defined $shape->{rates};
	mkdir $place;
	write_object($place, 'a.csv', $shape->{content});
	my $seen = value("SELECT item, value, sure, detail FROM sellometer_sniff('file://$place/a.csv')");

	note("$name\n$seen");
	is(value("SELECT string_agg(DISTINCT sure, ' ') FROM sellometer_sniff('file://$place/a.csv') WHERE item = '$_'"), $shape->{seen}{$_}, "$name: how sure $_ is") foreach (sort keys %{ $shape->{seen} });
	is(value("SELECT count(*) FROM sellometer_sniff('file://$place/a.csv') WHERE sure = 'no'"), '0', "$name: sniff is sure enough");
	value(value("SELECT value FROM sellometer_sniff('file://$place/a.csv') WHERE item = 'call'"));
	value('CALL sellometer_ingest(); CALL sellometer_merge_backlog()');
	is(value('SELECT state, rows_rejected, error FROM sellometer.objects'), 'done|0|', "$name: it is loaded");
	is(value(q{SELECT string_agg(format('%s %s %s', e, t.count, round(t.gmv, 2)), ' ' ORDER BY e) FROM unnest(ARRAY['view', 'cart', 'remove_from_cart', 'purchase']) e, sellometer_total(e, '2000-01-01', '2100-01-01') t WHERE t.count > 0}),
		$shape->{sums}, "$name: it comes to what its rows do");
	is(value("SELECT string_agg(DISTINCT key, ' ') FROM sellometer_top('category_l1', 'purchase', '2000-01-01', '2100-01-01', 9)"), $shape->{category}, "$name: categories") if defined $shape->{category};
}

# What can't be told is told so, with what there is to choose from.
sub sniffed
{
	my ($content, $item) = @_;

	write_object($dir, 'x.csv', $content);
	return value("SELECT sure || ': ' || detail FROM sellometer_sniff('file://$dir/x.csv') WHERE item = '$item'");
}

like(sniffed(lines(',', [qw(user_id item_id behavior_type time)], map { [ 1, 2, 1 + $_ % 4, "2014-12-06 0$_:00" ] } 0 .. 8), 'event_type'), qr/^no: it holds "1", "2", "3", "4", of which none is known/, 'events that are numbers');
like(sniffed(lines(',', [qw(date product_id price qty)], map { [ '2024-01-01', 5, '1.50', $_ % 2 ? 1 : -1 ] } 0 .. 9), 'quantity'), qr/^no: .*5 of 10 rows that count are of no piece/, 'what is given back');
like(sniffed(lines(',', [qw(date product_id price)], map { [ '2024-01-01', $_ % 2 ? 5 : '', '1.50' ] } 0 .. 9), 'product_id'), qr/^no: .*5 of 10 rows that count have none/, 'rows without a product');
like(sniffed(lines(',', [qw(date product_id price)], map { [ '2024-01-01', 5, '0.050847457627118' ] } 0 .. 9), 'price'), qr/^no: .*more than 4 decimals/, 'prices with too many decimals');
like(sniffed(lines(',', [qw(date product_id price currency)], map { [ '2024-01-01', 5, '1.50', ('USD', 'GBP', '')[ $_ % 3 ] ] } 0 .. 9), 'currency'), qr/^no: .*3 of 10 rows that count have none/, 'several currencies, and rows without one');

done_testing();
