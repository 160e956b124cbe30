/*
 * Prices by rates: rounding and limits against long division digit by digit, spans that are put together in any order.
 */
#include "pure/rates.h"
#include "unit.h"

#define SLICE(text)		((SlmSlice) {(text), (uint32_t) strlen(text)})
#define DAY				INT64_C(86400000000)

/* --- numbers --- */

static void
rate_is(const char *text, const char *whole, const char *decimals)
{
	SlmRateValue rate;
	bool		ok = slm_rate_parse(SLICE(text), &rate);

	if (whole == NULL)
		UNIT_OK(!ok, "%s is no rate", text);
	else
		UNIT_OK(ok && rate / SLM_RATE_ONE == (SlmRateValue) strtoull(whole, NULL, 10) && rate % SLM_RATE_ONE == (SlmRateValue) strtoull(decimals, NULL, 10), "rate %s", text);
}

static void
test_parse(void)
{
	rate_is("1", "1", "0");
	rate_is("1.0915", "1", "91500000000");
	rate_is("0.000000000001", "0", "1");
	rate_is("9999999999.999999999999", "9999999999", "999999999999");
	rate_is("007.50", "7", "500000000000");
	rate_is(".5", "0", "500000000000");
	rate_is("5.", "5", "0");
	rate_is("10000000000", NULL, NULL);
	rate_is("99999999999999999999999999999999999999999", NULL, NULL);
	rate_is("0.0000000000001", NULL, NULL);
	rate_is("0", NULL, NULL);
	rate_is("0.000", NULL, NULL);
	rate_is("", NULL, NULL);
	rate_is(".", NULL, NULL);
	rate_is("-1", NULL, NULL);
	rate_is("1e3", NULL, NULL);
	rate_is("1.2.3", NULL, NULL);
	rate_is(" 1", NULL, NULL);
	rate_is("NaN", NULL, NULL);
}

/* Schoolbook multiplication of decimal digits, and rounding by the first digit that is cut off: half up. */
static bool
by_hand(const char *price, const char *rate, char *out)
{
	int			digits[80] = {0};
	size_t		np = strlen(price);
	size_t		nr = strlen(rate);
	int			n = 80;

	for (size_t i = 0; i < np; i++)
		for (size_t j = 0; j < nr; j++)
			digits[i + j] += (price[np - 1 - i] - '0') * (rate[nr - 1 - j] - '0');
	for (int i = 0; i < n - 1; i++)
	{
		digits[i + 1] += digits[i] / 10;
		digits[i] %= 10;
	}
	if (digits[SLM_RATE_DECIMALS - 1] >= 5)
		digits[SLM_RATE_DECIMALS]++;
	for (int i = SLM_RATE_DECIMALS; i < n - 1; i++)
	{
		digits[i + 1] += digits[i] / 10;
		digits[i] %= 10;
	}
	while (n > SLM_RATE_DECIMALS + 1 && digits[n - 1] == 0)
		n--;
	for (int i = n - 1; i >= SLM_RATE_DECIMALS; i--)
		*out++ = (char) ('0' + digits[i]);
	*out = '\0';
	/* below 10^16 ten-thousandths */
	return n - SLM_RATE_DECIMALS <= 16;
}

static void
put(SlmRateValue value, char *out)
{
	char		digits[45];
	int			n = 0;

	do
		digits[n++] = (char) ('0' + (int) (value % 10));
	while ((value /= 10) > 0);
	while (n > 0)
		*out++ = digits[--n];
	*out = '\0';
}

static bool
agrees(SlmMoney price, SlmRateValue rate)
{
	char		p[45];
	char		r[45];
	char		expected[90];
	char		got[45];
	bool		fits;
	SlmMoney	converted = price;
	bool		ok;

	put((SlmRateValue) price, p);
	put(rate, r);
	fits = by_hand(p, r, expected);
	ok = slm_rate_apply(rate, &converted);
	put((SlmRateValue) converted, got);
	if (ok == fits && (ok ? strcmp(got, expected) == 0 : converted == price))
		return true;
	printf("# %s * %s: %s, by hand %s\n", p, r, ok ? got : "too large", expected);
	return false;
}

/* A random number of random length, below a limit. */
static SlmRateValue
random_value(SlmRateValue limit)
{
	SlmRateValue value = (SlmRateValue) unit_random(UINT64_C(1) << 31) << 64 | (SlmRateValue) unit_random(UINT64_C(1) << 31) << 32 | unit_random(UINT64_C(1) << 31);

	value >>= unit_random(96);
	return value % limit;
}

static void
test_apply(void)
{
	const SlmMoney edge = SLM_PRICE_LIMIT - 1;
	const SlmMoney prices[] = {0, 1, 4, 5, 9999, 10000, 10001, 357900, edge / 2, edge - 1, edge};
	const SlmRateValue rates[] = {1, 2, SLM_RATE_ONE / 2 - 1, SLM_RATE_ONE / 2, SLM_RATE_ONE / 2 + 1, SLM_RATE_ONE - 1, SLM_RATE_ONE, SLM_RATE_ONE + 1, 2 * SLM_RATE_ONE,
	UINT64_C(1091500000000), SLM_RATE_LIMIT - 1};
	bool		ok = true;
	SlmMoney	price = 1;

	for (size_t i = 0; i < sizeof(prices) / sizeof(*prices); i++)
		for (size_t j = 0; j < sizeof(rates) / sizeof(*rates); j++)
			ok &= agrees(prices[i], rates[j]);
	UNIT_OK(ok, "edges");
	for (int i = 0; i < 200000; i++)
		ok &= agrees((SlmMoney) random_value((SlmRateValue) SLM_PRICE_LIMIT), 1 + random_value(SLM_RATE_LIMIT - 1));
	UNIT_OK(ok, "random prices and rates");
	/* the product ends in exactly a half */
	UNIT_OK(slm_rate_apply(SLM_RATE_ONE / 2, &price) && price == 1, "0.0001 * 0.5 is 0.0001: half up");
	price = 1;
	UNIT_OK(slm_rate_apply(SLM_RATE_ONE / 2 - 1, &price) && price == 0, "0.0001 * 0.499999999999 is 0");
	price = 3;
	UNIT_OK(slm_rate_apply(SLM_RATE_ONE / 2, &price) && price == 2, "0.0003 * 0.5 is 0.0002");
	price = edge;
	UNIT_OK(slm_rate_apply(SLM_RATE_ONE, &price) && price == edge, "the largest price stays");
	/* 10^16 - 1 times 1.00000000000000005 rounds up to 10^16: at one more in the last decimal it is too large */
	UNIT_OK(!slm_rate_apply(SLM_RATE_ONE + 1, &price) && price == edge, "a little more is too large");
	price = SLM_PRICE_LIMIT / 2;
	UNIT_OK(!slm_rate_apply(2 * SLM_RATE_ONE, &price), "10^12 is too large");
}

/* --- spans --- */

/* A table whose rates change each day: the rate of day d is d + shift, none before first. */
typedef struct Table
{
	int			first;
	int			shift;
	int			asked;
} Table;

static bool
find(void *arg, const char *currency, SlmTime time, SlmRate *found)
{
	Table	   *table = arg;
	SlmTime		day = time / DAY;

	table->asked++;
	if (strcmp(currency, "EUR") != 0)
	{
		found->from = INT64_MIN;
		found->until = INT64_MAX;
		return false;
	}
	if (day < table->first)
	{
		found->from = INT64_MIN;
		found->until = table->first * DAY;
		return false;
	}
	found->from = day * DAY;
	found->until = (day + 1) * DAY;
	found->rate = (SlmRateValue) (day + table->shift) * SLM_RATE_ONE;
	return true;
}

static SlmMoney
convert(SlmRates *rates, const char *currency, SlmTime time)
{
	SlmMoney	price = 1;
	SlmConversion outcome = slm_rates_convert(rates, SLICE(currency), time, &price);

	return outcome == SLM_CONVERTED ? price : -(SlmMoney) outcome;
}

static void
test_spans(void)
{
	Table		table = {.first = 10,.shift = 100};
	SlmRates	rates = {.find = find,.arg = &table};
	SlmRates	again = {0};
	char	   *data;
	size_t		len;
	bool		ok = true;

	UNIT_EQ(convert(&rates, "eur", 12 * DAY), 112, "the rate of a time; capitals and small letters are the same");
	UNIT_EQ(convert(&rates, "EUR", 12 * DAY + 5), 112, "the same span");
	UNIT_EQ(table.asked, 1, "is asked for once");
	UNIT_EQ(convert(&rates, "EUR", 9 * DAY), -SLM_CONVERT_NO_RATE, "before the first rate there is none");
	UNIT_EQ(convert(&rates, "EUR", 8 * DAY), -SLM_CONVERT_NO_RATE, "nor before that");
	UNIT_EQ(table.asked, 2, "which is asked for once, too");
	UNIT_EQ(convert(&rates, "CHF", 12 * DAY), -SLM_CONVERT_NO_RATE, "nor of another currency");
	UNIT_EQ(convert(&rates, "a currency without a code", 0), -SLM_CONVERT_NO_RATE, "nor of what is no code");
	UNIT_EQ(convert(&rates, "a,b", 0), -SLM_CONVERT_NO_RATE, "nor of what could not be written");

	/* the table is another one: what is known stays, around it there is more now */
	table = (Table) {.first = 0,.shift = 1000};
	for (int i = 0; i < 2000; i++)
	{
		SlmTime		day = (SlmTime) unit_random(40);

		ok &= convert(&rates, "EUR", day * DAY + (SlmTime) unit_random(DAY)) == (day == 12 ? 112 : day + 1000);
	}
	UNIT_OK(ok, "known spans stay as they are");
	data = slm_rates_write(&rates, &len);
	UNIT_OK(data != NULL && slm_rates_read(&again, data, len), "are written and read");
	for (int day = 0; day < 40; day++)
		ok &= convert(&again, "EUR", day * DAY + 7) == (day == 12 ? 112 : day + 1000);
	UNIT_OK(ok, "are the same then");
	UNIT_EQ(convert(&again, "EUR", 41 * DAY), -SLM_CONVERT_NO_RATE, "and nothing else");
	free(data);
	slm_rates_free(&rates);
	slm_rates_free(&again);
}

/* The whole of a currency, but for what was known before. */
static bool
always(void *arg, const char *currency, SlmTime time, SlmRate *found)
{
	(void) currency;
	(void) time;
	found->from = INT64_MIN;
	found->until = INT64_MAX;
	found->rate = *(const SlmRateValue *) arg;
	return true;
}

static void
test_overlay(void)
{
	SlmRateValue seven = 7 * (SlmRateValue) SLM_RATE_ONE;
	SlmRates	rates = {.find = always,.arg = &seven};
	const char *known = "EUR,1000,2000,2\nEUR,3000,4000,3\n";
	char	   *data;
	size_t		len;

	UNIT_OK(slm_rates_read(&rates, known, strlen(known)), "two spans");
	UNIT_EQ(convert(&rates, "EUR", 2500), 7, "between them");
	UNIT_EQ(convert(&rates, "EUR", 500), 7, "before them");
	UNIT_EQ(convert(&rates, "EUR", 4000), 7, "behind them");
	UNIT_EQ(convert(&rates, "EUR", 1999), 2, "in the first");
	UNIT_EQ(convert(&rates, "EUR", 3000), 3, "in the second");
	data = slm_rates_write(&rates, &len);
	UNIT_STR(data, len, "EUR,,1000,7\nEUR,1000,2000,2\nEUR,2000,3000,7\nEUR,3000,4000,3\nEUR,4000,,7\n", "as bytes");
	free(data);
	slm_rates_free(&rates);

	rates = (SlmRates) {.as_is = true};
	UNIT_OK(slm_rates_write(&rates, &len) == NULL && len == 0, "nothing is known");
	UNIT_EQ(convert(&rates, "whatever it is", 0), 1, "it counts as it stands");
	data = slm_rates_write(&rates, &len);
	UNIT_STR(data, len, "*", "... and is known to");
	free(data);
	rates = (SlmRates) {0};
	UNIT_OK(slm_rates_read(&rates, "EUR,,,2\n*", 9) && convert(&rates, "EUR", 0) == 2 && convert(&rates, "x", 0) == 1, "... but for others");
	slm_rates_free(&rates);
}

static void
test_damage(void)
{
	static const char *const damaged[] = {
		"EUR", "EUR,,,2", "EUR,,2\n", "EUR,5,5,2\n", "EUR,1,9,2\nEUR,5,20,3\n", "EUR,x,,2\n", ",,,2\n", "EUR,,,0\n", "EUR,,,-1\n", "**", "EUR,1111111111111111111111111,,2\n"
	};

	for (size_t i = 0; i < sizeof(damaged) / sizeof(*damaged); i++)
	{
		SlmRates	rates = {0};

		UNIT_OK(!slm_rates_read(&rates, damaged[i], strlen(damaged[i])), "damage %zu is seen", i);
		slm_rates_free(&rates);
	}
}

int
main(void)
{
	test_parse();
	test_apply();
	test_spans();
	test_overlay();
	test_damage();
	return unit_done();
}
