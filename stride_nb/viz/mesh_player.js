(root, d) => {
  // One canvas: a body skinned from its pose, frame by frame, and the skeleton beside it; drag turns, the bar scrubs.
  const $ = s => root.querySelector(s), view = $(".view"), bar = $(".bar"), play = $(".play");
  const raw = s => Uint8Array.from(atob(s), c => c.charCodeAt(0)).buffer, i16 = s => new Int16Array(raw(s));
  const rest = i16(d.vertices), faces = new Uint16Array(raw(d.faces)), bone = new Uint8Array(raw(d.bone));
  const share = new Uint8Array(raw(d.share)), pose = i16(d.pose), move = i16(d.move), given = i16(d.given);
  const N = d.frames, J = d.parents.length, V = rest.length / 3, F = faces.length / 3, G = d.joints;
  const at = new Float32Array(3 * V), normal = new Float32Array(3 * V), seen = new Float32Array(3 * V), depth = new Float32Array(F);
  let frame = 0, clock = null, drawn = "", azimuth = d.azimuth, tilt = 0.15, text = "#222";
  let playing = !matchMedia("(prefers-reduced-motion: reduce)").matches;
  const turned = (x, y, z) => { // rotation vector to matrix (Rodrigues)
    const a = Math.hypot(x, y, z) || 1e-9, c = Math.cos(a), s = Math.sin(a) / a, k = (1 - c) / (a * a);
    return [c + k * x * x, k * x * y - s * z, k * x * z + s * y, k * x * y + s * z, c + k * y * y, k * y * z - s * x,
      k * x * z - s * y, k * y * z + s * x, c + k * z * z];
  };
  const times = (a, b) => Array.from({ length: 9 }, (_, i) => { const r = i - i % 3, c = i % 3;
    return a[r] * b[c] + a[r + 1] * b[c + 3] + a[r + 2] * b[c + 6]; });
  const apply = (a, x, y, z) => [a[0] * x + a[1] * y + a[2] * z, a[3] * x + a[4] * y + a[5] * z, a[6] * x + a[7] * y + a[8] * z];
  const skin = t => { // linear blend skinning
    const R = [], shift = [];
    for (let j = 0; j < J; j++) {
      const i = 3 * (t * J + j), own = turned(pose[i] * d.angle, pose[i + 1] * d.angle, pose[i + 2] * d.angle);
      const p = d.parents[j], r = d.rest[j];
      if (p < 0) { R.push(own); shift.push([0, 1, 2].map(k => r[k] + move[3 * t + k] * d.step)); continue; }
      R.push(times(R[p], own));
      const o = apply(R[p], r[0] - d.rest[p][0], r[1] - d.rest[p][1], r[2] - d.rest[p][2]);
      shift.push([0, 1, 2].map(k => shift[p][k] + o[k]));
    }
    at.fill(0);
    for (let v = 0; v < V; v++) for (let k = 0; k < 4; k++) {
      const w = share[4 * v + k] / 255; if (!w) continue;
      const j = bone[4 * v + k], r = d.rest[j], i = 3 * v;
      const o = apply(R[j], rest[i] * d.scale - r[0], rest[i + 1] * d.scale - r[1], rest[i + 2] * d.scale - r[2]);
      for (let c = 0; c < 3; c++) at[i + c] += w * (o[c] + shift[j][c]);
    }
    return shift[0];
  };
  const fit = (canvas, height) => {
    const r = devicePixelRatio || 1, w = canvas.clientWidth || 600;
    canvas.width = w * r; canvas.height = height * r;
    const g = canvas.getContext("2d"); g.scale(r, r); return [g, w];
  };
  const scene = () => {
    const t = Math.floor(frame), root0 = skin(t), [g, w] = fit(view, d.height), mesh = w / 4, bones = 3 * w / 4;
    const ca = Math.cos(azimuth), sa = Math.sin(azimuth), ct = Math.cos(tilt), st = Math.sin(tilt), y0 = d.height / 2;
    const scale = Math.min(d.height, w / 2 * 1.2) * 0.44 / d.extent;
    const to = (x0, x, y, z) => { x -= root0[0]; y -= d.middle; z -= root0[2]; const far = z * ca - x * sa;
      return [x0 + scale * (x * ca + z * sa), y0 - scale * (y * ct - far * st), far * ct + y * st]; };
    for (let v = 0; v < V; v++) seen.set(to(mesh, at[3 * v], at[3 * v + 1], at[3 * v + 2]), 3 * v);
    normal.fill(0);
    const front = [];
    for (let f = 0; f < F; f++) {
      const [a, b, c] = [3 * faces[3 * f], 3 * faces[3 * f + 1], 3 * faces[3 * f + 2]];
      const ux = seen[b] - seen[a], uy = seen[a + 1] - seen[b + 1], uz = (seen[b + 2] - seen[a + 2]) * scale;
      const vx = seen[c] - seen[a], vy = seen[a + 1] - seen[c + 1], vz = (seen[c + 2] - seen[a + 2]) * scale;
      const n = [uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx];
      for (const i of [a, b, c]) for (let k = 0; k < 3; k++) normal[i + k] += n[k];
      if (n[2] > 0) { depth[f] = seen[a + 2] + seen[b + 2] + seen[c + 2]; front.push(f); }
    }
    front.sort((a, b) => depth[a] - depth[b]);
    g.lineWidth = 0.7; g.lineJoin = "round";
    for (const f of front) {
      const corner = [3 * faces[3 * f], 3 * faces[3 * f + 1], 3 * faces[3 * f + 2]];
      let light = 0;
      for (const i of corner) { const n = Math.hypot(normal[i], normal[i + 1], normal[i + 2]) || 1;
        light += Math.max(0, 0.35 * normal[i] + 0.55 * normal[i + 1] + 0.76 * normal[i + 2]) / n / 3; }
      const s = 0.35 + 0.65 * Math.min(1, light);
      g.fillStyle = g.strokeStyle = `rgb(${157 * s | 0},${183 * s | 0},${204 * s | 0})`;
      g.beginPath(); g.moveTo(seen[corner[0]], seen[corner[0] + 1]);
      g.lineTo(seen[corner[1]], seen[corner[1] + 1]); g.lineTo(seen[corner[2]], seen[corner[2] + 1]);
      g.closePath(); g.fill(); g.stroke();
    }
    g.strokeStyle = g.fillStyle = text; g.lineWidth = 2; g.lineCap = "round";
    const joint = j => { const i = 3 * (t * G + j); return given[i] === -32768 ? null :
      to(bones, given[i] * d.step, given[i + 1] * d.step, given[i + 2] * d.step); };
    for (const [a, b] of d.bones) { const p = joint(a), q = joint(b); if (!p || !q) continue;
      g.beginPath(); g.moveTo(p[0], p[1]); g.lineTo(q[0], q[1]); g.stroke(); }
    for (let j = 0; j < G; j++) { const p = joint(j); if (p) { g.beginPath(); g.arc(p[0], p[1], 2.8, 0, 7); g.fill(); } }
  };
  const draw = () => {
    text = getComputedStyle(root).color;
    const state = [Math.floor(frame), azimuth, tilt, text, view.clientWidth].join();
    if (state === drawn) return;
    drawn = state; scene(); bar.value = Math.floor(frame);
    $(".time").textContent = (Math.floor(frame) / d.fps).toFixed(2) + " s"; play.textContent = playing ? "pause" : "play";
  };
  const tick = now => {
    if (!root.isConnected) return; // the cell was run again
    if (playing && clock !== null) frame = (frame + Math.min(now - clock, 200) * d.fps / 1000) % N;
    clock = now; draw(); requestAnimationFrame(tick);
  };
  play.onclick = () => { playing = !playing; drawn = ""; };
  bar.oninput = () => { playing = false; drawn = ""; frame = +bar.value; };
  view.onpointerdown = e => { let x = e.clientX, y = e.clientY; view.setPointerCapture(e.pointerId);
    view.onpointermove = m => { azimuth -= (m.clientX - x) * 0.01; x = m.clientX;
      tilt = Math.max(-0.2, Math.min(1.4, tilt + (m.clientY - y) * 0.006)); y = m.clientY; };
    view.onpointerup = view.onpointercancel = () => { view.onpointermove = null; }; };
  draw(); requestAnimationFrame(tick);
}
