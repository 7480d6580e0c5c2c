"use strict";
(() => {
  const one = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const root = document.documentElement;
  const given = (id) => { const found = document.getElementById(id); return found && JSON.parse(found.textContent); };
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const views = { axial: 0, coronal: 1, sagittal: 2, planes: 3, volume: 4 };
  let viewer = null;

  /* Page: side, theme, print */
  const setSide = (isNeurological) => {
    root.classList.toggle("neurological", isNeurological);
    one("#side").setAttribute("aria-pressed", String(isNeurological));
    one("#side").textContent = isNeurological ? "Neurological view" : "Radiological view";
    for (const group of all("g.turns")) {
      const letters = one(".letters", group.closest("svg"));
      one(".left", letters).textContent = isNeurological ? "L" : "R";
      one(".right", letters).textContent = isNeurological ? "R" : "L";
    }
    if (viewer) viewer.setRadiologicalConvention(!isNeurological);
  };
  one("#side").addEventListener("click", () => setSide(!root.classList.contains("neurological")));
  one("#theme").addEventListener("click", () => {
    const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = isDark ? "light" : "dark";
  });
  one("#print").addEventListener("click", () => print());

  /* Registration: from the patient to the atlas */
  const mix = one("#mix");
  if (mix) {
    const flicker = one("#flicker");
    const show = (value) => { mix.value = value; one(".registration").style.setProperty("--mix", value / 100); };
    mix.addEventListener("input", () => show(mix.value));
    let timer = null;
    flicker.addEventListener("click", () => {
      timer = timer ? clearInterval(timer) : setInterval(() => show(Number(mix.value) > 50 ? 0 : 100), 600);
      flicker.setAttribute("aria-pressed", String(Boolean(timer)));
    });
    one("#outlines").addEventListener("change", (event) => root.classList.toggle("no-outlines", !event.target.checked));
  }

  /* The viewer */
  const layers = given("layers");
  if (!layers) return;
  const note = one("#viewer-note"), box = one("#viewer"), canvas = one("#canvas"), reading = one("#reading");
  const values = [];  // of each layer in its file's steps, before thresholds
  const fades = [];  // of each map: the volume that says how opaque it is, so that it ends without an edge

  const loadScript = async () => {
    const packed = new Blob([bytes(one("#viewer-script").textContent)]).stream();
    const text = await new Response(packed.pipeThrough(new DecompressionStream("gzip"))).text();
    await new Promise((done, failed) => {
      addEventListener("niivue-is-there", done, { once: true });
      setTimeout(() => failed(new Error("its script did not start")), 20000);
      const element = document.createElement("script");
      element.type = "module";
      element.textContent = text;
      document.head.append(element);
    });
  };

  const sayPlace = (place) => {
    const [x, y, z] = place.mm, [i, j, k] = place.vox.map(Math.round);
    const dims = viewer.volumes[0].dimsRAS;
    const index = i + dims[1] * (j + dims[2] * k);
    const read = layers.flatMap((layer, number) => {
      if (layer.kind !== "map") return [];
      const value = values[number][index] * viewer.volumes[number].hdr.scl_slope;
      return [`${layer.words} ${(value || 0).toFixed(2)}`];
    });
    reading.textContent = `x ${x.toFixed(1)}, y ${y.toFixed(1)}, z ${z.toFixed(1)} mm` + (read.length ? `: ${read.join(", ")}` : "");
  };

  const addLayer = async (layer, number) => {
    await viewer.loadFromArrayBuffer(bytes(all("script.volume")[number].textContent).buffer, `${layer.name}.nii.gz`);
    const volume = viewer.volumes[number];
    values.push(volume.img.slice());
    volume.cal_min = 0;
    volume.cal_max = layer.highest;
    if (layer.kind !== "image") viewer.addColormap(layer.name, layer.colors);
    volume.colormap = layer.kind === "image" ? "gray" : layer.name;
    volume.opacity = layer.opacity;
  };

  const paintMap = (number, opacity, least) => {
    const layer = layers[number], volume = viewer.volumes[number];
    if (!fades[number]) {
      const fade = volume.clone();
      Object.assign(fade, { name: `${layer.name} opacity`, opacity: 0, cal_min: 0, cal_max: layer.highest, img: fade.img.slice() });
      viewer.addVolume(fade);
      fades[number] = fade;
      viewer.setModulationImage(volume.id, fade.id, 1);
    }
    const first = least / volume.hdr.scl_slope, full = 255 * layer.opaque_from;
    fades[number].img.set(values[number].map((step) => (step < first ? 0 : Math.round(255 * opacity * Math.min(1, step / full)))));
    volume.opacity = opacity > 0 ? 1 : 0;
    viewer.updateGLVolume();
  };

  const control = (row) => {
    const number = Number(row.dataset.layer), shown = one(".shown", row), opacity = one(".opacity", row);
    const threshold = one(".threshold", row), isMap = layers[number].kind === "map";
    const paint = () => {
      const share = shown.checked ? opacity.value / 100 : 0;
      if (isMap) paintMap(number, share, Number(threshold.value));
      else viewer.setOpacity(number, share);
    };
    shown.addEventListener("change", paint);
    opacity.addEventListener("input", paint);
    threshold?.addEventListener("input", () => {
      one("output", row).textContent = Number(threshold.value).toFixed(2);
      paint();
    });
    if (isMap && shown.checked) paint();
    one(".colors", row)?.addEventListener("change", (event) => viewer.setColormap(viewer.volumes[number].id, event.target.value));
  };

  const setView = (name) => {
    for (const button of all("[data-view]")) button.setAttribute("aria-pressed", String(button.dataset.view === name));
    viewer.setSliceType(views[name]);
  };

  const steps = { ArrowLeft: [-1, 0, 0], ArrowRight: [1, 0, 0], ArrowUp: [0, 1, 0], ArrowDown: [0, -1, 0], PageUp: [0, 0, 1], PageDown: [0, 0, -1] };
  const moveByKey = (event) => {
    const step = steps[event.key];
    if (!step || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const across = root.classList.contains("neurological") ? 1 : -1;  // left on the screen is the patient's right
    viewer.moveCrosshairInVox(step[0] * across, step[1], step[2]);
  };

  const start = async () => {
    if (!document.createElement("canvas").getContext("webgl2")) throw new Error("this browser has no WebGL 2");
    await loadScript();
    viewer = new globalThis.Niivue({
      logLevel: "error", loadingText: "", dragAndDropEnabled: false, isRadiologicalConvention: true, multiplanarShowRender: 1, multiplanarLayout: 2, sagittalNoseLeft: true,
      show3Dcrosshair: true, crosshairColor: [0.34, 0.71, 0.91, 0.7], crosshairWidth: 0.7, backColor: [0, 0, 0, 1], isColorbar: false,
    });
    box.hidden = false;
    canvas.addEventListener("keydown", moveByKey, true);
    await viewer.attachToCanvas(canvas);
    for (const [number, layer] of layers.entries()) await addLayer(layer, number);
    viewer.updateGLVolume();
    viewer.onLocationChange = sayPlace;
    viewer.scene.crosshairPos = viewer.mm2frac(given("page").start_mm);
    viewer.setClipPlane([2, 0, 0]);
    setSide(root.classList.contains("neurological"));
    setView("planes");
    all(".layer").forEach(control);
    all("[data-view]").forEach((button) => button.addEventListener("click", () => setView(button.dataset.view)));
    viewer.createOnLocationChange();
    note.textContent = "Click or drag to move the crosshair, scroll to go through slices; arrow keys and page up or down do the same.";
    root.dataset.viewer = "ready";
  };
  start().catch((error) => {
    box.hidden = true;
    viewer = null;
    root.dataset.viewer = "absent";
    note.textContent = `The viewer cannot be shown here: ${error.message}. The planes below show the same.`;
  });
})();
