// A test is passed without faults; those there are, are said.
const MOST = 30;

export class Tap {
	number = 0;
	failed = 0;

	ok(faults, name) {
		const bad = faults.length > 0;

		this.failed += bad;
		console.log(`${bad ? 'not ok' : 'ok'} ${++this.number} - ${name}`);
		for (const fault of faults.slice(0, MOST)) {
			console.log(String(fault).replace(/^/gm, '# '));
		}
		if (faults.length > MOST) {
			console.log(`# and ${faults.length - MOST} more`);
		}
	}

	end() {
		console.log(`1..${this.number}`);
		process.exitCode = this.failed > 0 ? 1 : 0;
	}
}
