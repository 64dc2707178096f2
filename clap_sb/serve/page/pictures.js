// Pictures of sounds: fetched as they come near, and let go of as they are far.

const NEAR = "800px 0px";

const seen = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) target.removeAttribute("src");
    else if (!target.hasAttribute("src")) target.src = target.dataset.src;
  }
}, { rootMargin: NEAR });

export function show(image, address) {
  image.dataset.src = address;
  if (image.hasAttribute("src")) image.src = address;
  seen.observe(image);
}

export function forget(images) {
  for (const image of images) seen.unobserve(image);
}
