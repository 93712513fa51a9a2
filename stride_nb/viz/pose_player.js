(root, d) => {
  // One canvas: poses by name, side by side or overlaid, turned by dragging, with a scrub bar that shades hidden spans.
  const $ = s => root.querySelector(s), view = $(".view"), bar = $(".bar"), play = $(".play"), mode = $(".mode");
  const bytes = s => Uint8Array.from(atob(s), c => c.charCodeAt(0));
  const poses = d.poses.map(s => new Int16Array(bytes(s).buffer)), bits = d.hidden ? bytes(d.hidden) : null;
  const N = d.frames, J = d.joints, hid = (t, j) => bits && (bits[(t * J + j) >> 3] >> (7 - (t * J + j) % 8)) & 1;
  const at = (k, t, j) => { const i = 3 * (t * J + j), p = poses[k];
    return p[i] === -32768 ? null : [p[i] * d.step, p[i + 1] * d.step, p[i + 2] * d.step]; };
  let frame = 0, clock = null, playing = !matchMedia("(prefers-reduced-motion: reduce)").matches;
  let side = poses.length > 1, azimuth = d.azimuth, tilt = 0.2, text = "#222", dark = false, drawn = "";
  const follow = []; // the first pelvis seen, so that a person who walks stays in view
  for (let t = 0, last = null; t < N; t++) {
    for (let k = 0; k < poses.length; k++) { const p = at(k, t, 0); if (p) { last = p; break; } }
    follow.push(last);
  }
  const first = follow.find(p => p) || [0, 0, 0];
  const fit = (canvas, height) => {
    const r = devicePixelRatio || 1, w = canvas.clientWidth || 600;
    canvas.width = w * r; canvas.height = height * r;
    const g = canvas.getContext("2d"); g.scale(r, r); return [g, w];
  };
  const ink = c => dark && c === "#222222" ? "#eeeeee" : c;
  const scene = () => {
    const [g, w] = fit(view, d.height), panels = side ? poses.length : 1, pw = w / panels;
    const scale = Math.min(d.height, pw * 1.2) * 0.44 / d.extent;
    const t = Math.floor(frame), c = follow[t] || first;
    const ca = Math.cos(azimuth), sa = Math.sin(azimuth), ct = Math.cos(tilt), st = Math.sin(tilt);
    for (let panel = 0; panel < panels; panel++) {
      const x0 = pw * (panel + 0.5), y0 = d.height * 0.5;
      const to = p => { const x = p[0] - c[0], y = p[1] - d.middle, z = p[2] - c[2];
        return [x0 + scale * (x * ca + z * sa), y0 - scale * (y * ct - (z * ca - x * sa) * st)]; };
      g.save(); g.beginPath(); g.rect(pw * panel, 0, pw, d.height); g.clip();
      g.strokeStyle = text; g.globalAlpha = 0.14; g.lineWidth = 1; g.beginPath();
      for (let i = -2; i <= 2; i += 0.5) { // a floor that stands still, 0.5 m a tile
        const fx = Math.round(c[0] * 2) / 2 + i, fz = Math.round(c[2] * 2) / 2 + i;
        const cx = Math.round(c[0] * 2) / 2, cz = Math.round(c[2] * 2) / 2;
        g.moveTo(...to([fx, d.floor, cz - 2])); g.lineTo(...to([fx, d.floor, cz + 2]));
        g.moveTo(...to([cx - 2, d.floor, fz])); g.lineTo(...to([cx + 2, d.floor, fz]));
      }
      g.stroke(); g.globalAlpha = 1;
      poses.forEach((_, k) => {
        if (side && k !== panel) return;
        g.strokeStyle = g.fillStyle = ink(d.colors[k]); g.lineWidth = 2; g.lineCap = "round";
        for (const [a, b] of d.bones) {
          const p = at(k, t, a), q = at(k, t, b); if (!p || !q) continue;
          g.setLineDash(hid(t, a) || hid(t, b) ? [2, 4] : []);
          g.beginPath(); g.moveTo(...to(p)); g.lineTo(...to(q)); g.stroke();
        }
        g.setLineDash([]); g.lineWidth = 1.2;
        for (let j = 0; j < J; j++) {
          const p = at(k, t, j); if (!p) continue;
          g.beginPath(); g.arc(...to(p), 2.8, 0, 7); hid(t, j) ? g.stroke() : g.fill();
        }
      });
      g.restore();
    }
  };
  const scrub = () => {
    const [g, w] = fit(bar, 14), dx = w / N;
    g.fillStyle = text; g.globalAlpha = 0.1; g.fillRect(0, 4, w, 6); g.globalAlpha = 1; g.fillStyle = "#bbbbbb";
    for (let t = 0; bits && t < N; t++) {
      let n = 0; for (let j = 0; j < J; j++) n += hid(t, j) ? 1 : 0;
      if (n) { g.globalAlpha = 0.35 + 0.65 * n / J; g.fillRect(t * dx, 4, dx + 0.5, 6); }
    }
    g.globalAlpha = 1; g.fillStyle = text; g.fillRect(Math.min(w - 2, Math.floor(frame) * dx), 0, 2, 14);
    bar.setAttribute("aria-valuenow", Math.floor(frame));
    $(".time").textContent = (Math.floor(frame) / d.fps).toFixed(2) + " s";
  };
  const draw = () => {
    text = getComputedStyle(root).color; dark = (text.match(/\d+/g) || [0]).slice(0, 3).reduce((a, b) => a + +b, 0) > 384;
    const state = [Math.floor(frame), side, azimuth, tilt, text, view.clientWidth].join();
    if (state === drawn) return;
    drawn = state; scene(); scrub();
    play.textContent = playing ? "pause" : "play"; mode.textContent = side ? "overlay" : "side by side";
    root.querySelectorAll("[data-ink]").forEach(e => { e.style.background = ink(e.dataset.ink); });
  };
  const tick = now => {
    if (!root.isConnected) return; // the cell was run again
    if (playing && clock !== null) frame = (frame + Math.min(now - clock, 200) * d.fps / 1000) % N;
    clock = now; draw(); requestAnimationFrame(tick);
  };
  const drag = (e, move) => { e.setPointerCapture && e.target.setPointerCapture(e.pointerId); move(e);
    e.target.onpointermove = move; e.target.onpointerup = e.target.onpointercancel = () => { e.target.onpointermove = null; }; };
  play.onclick = () => { playing = !playing; drawn = ""; };
  mode.onclick = () => { side = !side; };
  bar.onpointerdown = e => drag(e, m => { playing = false; drawn = "";
    frame = Math.max(0, Math.min(N - 1, (m.offsetX / bar.clientWidth) * N)); });
  bar.onkeydown = e => { const s = { ArrowLeft: -1, ArrowRight: 1 }[e.key];
    if (s) { playing = false; drawn = ""; frame = (Math.floor(frame) + s + N) % N; e.preventDefault(); } };
  view.onpointerdown = e => { let x = e.clientX, y = e.clientY; drag(e, m => {
    azimuth -= (m.clientX - x) * 0.01; tilt = Math.max(-0.2, Math.min(1.4, tilt + (m.clientY - y) * 0.006));
    x = m.clientX; y = m.clientY; }); };
  draw(); requestAnimationFrame(tick);
}
